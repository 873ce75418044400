"""The client of a worker process, with real processes that run a script instead of a measurement."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
import torch
from torch import nn

from archbench.errors import InputError, MeasurementError
from archbench.measure.bench.ab_test import ServedArm
from archbench.measure.profile.profile import profile_layers
from archbench.measure.worker import client
from archbench.measure.worker.client import Failure, run_request
from archbench.measure.worker.request import Request, RunOptions
from archbench.trace.tracer import trace
from tests.helpers.measurements import configuration

REQUEST = Request("measure", configuration())

SENDS = """
import json, os, signal, sys, time
request = json.loads(sys.stdin.readline())
def send(event, **values):
    print(json.dumps({"event": event, **values}), flush=True)
"""


@pytest.fixture
def script(monkeypatch):
    """Let workers run a script."""

    def use(code):
        @contextmanager
        def worker(errors, variables, may_fork):
            command = [sys.executable, "-c", f"{SENDS}\n{code}"]
            pipe = subprocess.PIPE
            with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True) as process:
                yield process

        monkeypatch.setattr(client, "worker", worker)

    return use


def profiled():
    return profile_layers(configuration(), trace(nn.ReLU(), torch.empty(1)), None, 1.0, print)


def test_an_answer_is_returned_with_what_is_added_to_it(script):
    script(
        'send("phase", text="measuring"); send("answer", flags=[], batch=request["configuration"]["batch"]);'
        'send("done", flags=["a"])'
    )
    phases = []
    assert run_request(REQUEST, phases.append) == {"flags": ["a"], "batch": 4}
    assert phases == ["measuring"]


def test_an_answer_stands_whatever_comes_after_it(script):
    script('send("answer", flags=[]); os.kill(os.getpid(), signal.SIGKILL)')
    assert run_request(REQUEST, print) == {"flags": []}


def test_a_process_that_ends_without_an_answer_is_a_failure_with_its_reason(script):
    script('raise ValueError("no such kernel")')
    assert run_request(REQUEST, print) == Failure("failed", "ValueError: no such kernel", 1)
    with pytest.raises(MeasurementError, match=r"^lenet: ValueError: no such kernel$"):
        profiled()
    script("os.kill(os.getpid(), signal.SIGSEGV)")
    assert run_request(REQUEST, print) == Failure("failed", "the process was ended by SIGSEGV", -11)


def test_a_failure_that_the_process_reports_comes_with_its_environment(script):
    script('send("environment", torch="2"); send("failed", reason="Odd: no kernel", refusal="");'
           'print("warning", file=sys.stderr)')  # fmt: skip
    assert run_request(REQUEST, print) == Failure("failed", "Odd: no kernel", environment={"torch": "2"})
    with (
        pytest.raises(MeasurementError, match=r"^lenet: Odd: no kernel$"),
        ServedArm(configuration(), RunOptions(), seed=0),
    ):
        pass


def test_a_configuration_that_the_process_refuses_is_an_input_error_of_a_profile(script):
    script('send("failed", reason="InputError: nhwc is a layout", refusal="nhwc is a layout")')
    assert run_request(REQUEST, print).reason == "InputError: nhwc is a layout"
    with pytest.raises(InputError, match=r"^lenet: nhwc is a layout$"):
        profiled()


def test_a_line_that_was_cut_off_is_not_an_answer(script):
    script('print("{", flush=True); os.kill(os.getpid(), signal.SIGKILL)')
    assert run_request(REQUEST, print).reason.startswith("the process was ended by SIGKILL")


def test_a_silent_process_is_killed_in_every_task(script, monkeypatch):
    monkeypatch.setattr(client, "SILENCE_S", 1.5)
    script('send("phase", text="measuring"); time.sleep(60)')
    silent = "the process was silent for 1.50 s"
    assert run_request(REQUEST, lambda _: None).reason == silent
    with pytest.raises(MeasurementError, match=f"^lenet: {silent}$"):
        profiled()
    script('send("ready"); time.sleep(60)')
    with (
        ServedArm(configuration(), RunOptions(), seed=0) as arm,
        pytest.raises(MeasurementError, match=f"^lenet: {silent}$"),
    ):
        arm.block_s()


def test_a_process_that_waits_for_its_client_is_not_silent(script, monkeypatch):
    monkeypatch.setattr(client, "SILENCE_S", 1.5)
    script('send("ready")\nfor _ in sys.stdin: send("block", step_s=2.0)')
    with ServedArm(configuration(), RunOptions(), seed=0) as arm:
        assert arm.block_s() == 0.5
        time.sleep(2.0)
        assert arm.block_s() == 0.5


def test_out_of_memory_says_what_is_needed(script):
    script('send("oom", needed_bytes=2**30, free_bytes=2**29)')
    assert run_request(REQUEST, print) == Failure(
        "oom", "out of memory: 512.0 MiB are free, about 1.000 GiB are needed"
    )
