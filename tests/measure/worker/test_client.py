"""Processes that answer, or end without an answer; real ones, that run a script in place of a measurement."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager

import pytest

from archbench.measure.worker import client as asking
from archbench.measure.worker.client import Ended, ask
from archbench.measure.worker.request import Request

pytestmark = pytest.mark.slow

REQUEST = Request(
    model="lenet", inputs=(), kind="cpu", mode="eval", batch=4, dtype="fp32", layout="nchw", compiled=False,
    graphs=False, threads=1, processes=2, seconds=1.0,
)  # fmt: skip

SAYS = """
import json, os, signal, sys
request = json.loads(sys.stdin.readline())
def say(event, **values):
    print(json.dumps({"event": event, **values}), flush=True)
"""


@pytest.fixture
def script(monkeypatch):
    """Let workers run a script."""

    def use(code):
        @contextmanager
        def worker(errors, variables):
            command = [sys.executable, "-c", f"{SAYS}\n{code}"]
            pipe = subprocess.PIPE
            with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True) as process:
                yield process

        monkeypatch.setattr(asking, "worker", worker)

    return use


def test_an_answer_is_heard_with_what_is_added_to_it(script):
    script('say("phase", what="measuring"); say("answer", flags=[], batch=request["batch"]); say("done", flags=["a"])')
    heard = []
    assert ask(REQUEST, heard.append) == {"flags": ["a"], "batch": 4}
    assert heard == ["measuring, process 1 of 2"]


def test_an_answer_stands_whatever_comes_after_it(script):
    script('say("answer", flags=[]); os.kill(os.getpid(), signal.SIGKILL)')
    assert ask(REQUEST, print) == {"flags": []}


def test_a_process_that_ends_without_an_answer_is_told_with_its_reason(script):
    script('raise ValueError("no such kernel")')
    assert ask(REQUEST, print) == Ended("failed", "ValueError: no such kernel", 1)
    script("os.kill(os.getpid(), signal.SIGSEGV)")
    assert ask(REQUEST, print) == Ended("failed", "the process was ended by SIGSEGV", -11)


def test_a_process_that_tells_itself_what_failed_is_believed_and_so_is_its_environment(script):
    script('say("environment", torch="2"); say("failed", reason="Odd: no kernel"); print("warning", file=sys.stderr)')
    assert ask(REQUEST, print) == Ended("failed", "Odd: no kernel", environment={"torch": "2"})


def test_a_line_that_was_cut_off_is_no_answer(script):
    script('print("{", flush=True); os.kill(os.getpid(), signal.SIGKILL)')
    assert ask(REQUEST, print).reason.startswith("the process was ended by SIGKILL")


def test_a_process_that_says_nothing_more_is_ended(script):
    script('say("phase", what="measuring"); import time; time.sleep(60)')
    assert ask(REQUEST, lambda _: None, silence_s=3.0).reason == "the process said nothing for 3 s"


def test_what_is_out_of_memory_says_what_it_needs(script):
    script('say("oom", needed_bytes=2**30, free_bytes=2**29)')
    assert ask(REQUEST, print) == Ended("oom", "out of memory: 512.0 MiB are free, about 1.000 GiB are needed")
