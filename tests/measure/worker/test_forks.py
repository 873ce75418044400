"""Workers that are forked from a process that has imported torch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from archbench.measure.bench.ab_test import ServedArm
from archbench.measure.worker import client, forks
from archbench.measure.worker.client import Failure, Worker, run_request
from archbench.measure.worker.forks import forked_workers
from archbench.measure.worker.request import Request, RunOptions
from tests.helpers.measurements import configuration
from tests.measure.worker.test_process import is_running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only"),
]

NO_PEAK = {"free_bytes": None, "peak_bytes": None}  # what a CPU reports
QUICK = RunOptions(max_seconds=0.05)
STARTS_THREAD = "import threading, time; threading.Thread(target=time.sleep, args=[60], daemon=True).start()"
NET = """
import os, signal, sys, threading, time
import torch
from torch import nn

class Net(nn.Linear):
    def __init__(self):
        super().__init__(4, 2)

class Raises(Net):
    def forward(self, x):
        raise ValueError("no kernel for this")

class Sleeps(Net):
    def forward(self, x):
        time.sleep(60)

class Exits(Net):
    def forward(self, x):
        os._exit(3)

class Crashes(Net):
    def forward(self, x):
        os.kill(os.getpid(), signal.SIGSEGV)

class Tells(Net):
    def forward(self, x):
        facts = [os.environ.get("GIVEN"), os.getcwd(), signal.getsignal(signal.SIGINT).__name__, torch.initial_seed()]
        facts += [torch.get_num_threads(), threading.active_count(), sys.flags.safe_path]
        raise ValueError(facts)

def example_inputs(batch):
    return torch.randn(batch, 4)
"""


@pytest.fixture
def net(tmp_path):
    """Return a function from a class of NET and a number of threads to the request to run it."""
    (tmp_path / "net.py").write_text(NET)

    def make(name, threads=1):
        what = configuration(model=f"{tmp_path / 'net.py'}:{name}", input_shape="4", threads=threads)
        return Request("memory", what, QUICK, seed=7)

    return make


def measured(what=None, variables=None):
    """Return how a worker reports that it was started, and its number of threads."""
    request = Request("measure", what or configuration(batch=2), QUICK, seed=1)
    recorded = run_request(request, lambda _: None, variables)["environment"]
    return recorded["start"], recorded["threads"]


def outcome(request):
    return run_request(request, lambda _: None)


def server():
    """Return the process that is forked within a block."""
    return psutil.Process(forks._SERVER.get()._process.pid)


def await_end(pids):
    end = time.monotonic() + 5
    while any(map(is_running, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(map(is_running, pids))


def test_workers_within_a_block_are_forks_of_one_server_that_has_one_thread(new_interpreters):
    with forked_workers():
        assert measured() == ("warm", 1)
        first = server()
        assert first.num_threads() == 1
        # An OpenMP pool in the server would let a fork with two threads wait for ever.
        assert measured(configuration(batch=2, threads=2)) == ("warm", 2)
        assert server() == first
        assert first.num_threads() == 1
        assert not first.children()
    assert not psutil.pid_exists(first.pid)


def test_a_worker_starts_within_a_third_of_a_second(net):
    with forked_workers():
        outcome(net("Raises"))
        times_s = []
        for _ in range(5):
            start = time.perf_counter()
            run_request(net("Raises"), lambda _, start=start: times_s.append(time.perf_counter() - start))
    assert min(times_s) < 0.3


def test_what_must_not_be_forked_is_a_new_interpreter(monkeypatch):
    monkeypatch.setattr(forks.ForkServer, "fork", lambda *_: pytest.fail("forked"))
    assert measured()[0] == "cold"  # outside a block
    with forked_workers():
        assert measured(variables={"TORCHINDUCTOR_CACHE_DIR": "/nowhere"})[0] == "cold"
    requests = [Request("measure", configuration(**changes)) for changes in ({}, {"kind": "cuda"}, {"compiled": True})]
    assert [request.may_fork for request in requests] == [True, False, False]


@pytest.mark.parametrize("is_forked", [True, False])
def test_a_fork_has_the_environment_of_a_new_interpreter(net, is_forked, monkeypatch, tmp_path):
    monkeypatch.setenv("GIVEN", "é")
    monkeypatch.chdir(tmp_path)
    with forked_workers():
        monkeypatch.setenv("UNUSED" if is_forked else "PYTHONWARNINGS", "")
        reason = outcome(net("Tells", threads=2)).reason
    # The thread that is not the main one waits for the end of standard input.
    assert reason == f"ValueError: {['é', str(tmp_path), 'default_int_handler', 7, 2, 2, True]}"


@pytest.mark.parametrize(
    ("name", "reason", "code"),
    [
        ("Raises", "ValueError: no kernel for this", None),
        ("Exits", "the process ended with code 3", 3),
        ("Crashes", "the process was ended by SIGSEGV", -signal.SIGSEGV),
    ],
)
def test_how_a_fork_ends_is_reported(net, name, reason, code):
    with forked_workers():
        assert outcome(net(name)) == Failure("failed", reason, code)
        assert outcome(net("Net")) == NO_PEAK


def test_a_fork_that_is_killed_is_reported_and_the_others_go_on():
    request = Request("serve", configuration())
    with forked_workers(), ServedArm(configuration(), QUICK, 0) as arm, Worker(request) as other:
        other.wait_for("ready")
        os.kill(other._process.pid, signal.SIGKILL)
        killed = other.wait_for("block")
        assert killed.reason == "the process was ended by SIGKILL (the system may have run out of memory)"
        assert killed.code == -signal.SIGKILL
        other.send("block")  # to nobody
        assert arm.block_s() > 0


def test_a_silent_fork_is_killed(net, monkeypatch):
    monkeypatch.setattr(client, "SILENCE_S", 1.5)
    with forked_workers():
        assert outcome(net("Sleeps")).reason == "the process was silent for 1.50 s"


def test_a_server_that_was_killed_ends_its_workers_and_is_replaced_by_new_interpreters():
    with forked_workers(), Worker(Request("serve", configuration())) as served:
        served.wait_for("ready")
        server().kill()
        assert served.wait_for("block").code == -signal.SIGKILL
        assert measured()[0] == "cold"


def test_an_interrupt_of_the_group_does_not_end_the_server(net):
    with forked_workers():
        assert outcome(net("Raises")).code is None
        server().send_signal(signal.SIGINT)
        assert outcome(net("Net")) == NO_PEAK
        assert server().is_running()


def test_a_server_whose_imports_start_threads_is_not_used(monkeypatch, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(STARTS_THREAD)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with forked_workers():
        assert measured()[0] == "cold"


def test_nothing_is_left_open(net):
    with forked_workers():
        outcome(net("Raises"))
        before = psutil.Process().num_fds()
        for _ in range(3):
            outcome(net("Exits"))
        assert psutil.Process().num_fds() == before
        deadline = time.monotonic() + 30  # the server closes what the last worker had after its end is known here
        while server().num_fds() > 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server().num_fds() == 4  # standard streams and the socket


PARENT = """
import sys, time
from archbench.measure.worker.client import Worker
from archbench.measure.worker.forks import forked_workers
from archbench.measure.worker.request import Request
from tests.helpers.measurements import configuration
with forked_workers(), Worker(Request("serve", configuration())) as served:
    served.wait_for("ready")
    print(served._process.pid, flush=True)
    time.sleep(600)
"""


def test_a_server_and_its_workers_end_with_a_killed_parent():
    command = [sys.executable, "-X", "dev", "-c", PARENT]  # an interpreter of its own, which the server of forks is not
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        server = psutil.Process(worker).ppid()
        parent.kill()
    assert await_end([worker, server])
