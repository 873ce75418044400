"""A fork of the tests' server is, to a test, what a new interpreter is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from tests.helpers import fork_server

IS_FORK = "import sys; print('torch' in sys.modules)"
PROGRAMS = {
    "output and code": "print('out'); import sys; print('err', file=sys.stderr); sys.exit(3)",
    "a reason to leave": "import sys; sys.exit('reason')",
    "a code of 8 bits": "import sys; sys.exit(-1)",
    "arguments": "import sys; print(sys.argv, sys.path[0], __name__)",
    "input": "print(input()); import sys; print(sys.stdin.read())",
    "directory": "import os; print(os.getcwd())",
    "environment": "import os; print(os.environ.get('HOME'), os.environ.get('ASKED'))",
    "streams": "import sys; print([(s.encoding, s.errors, s.line_buffering) for s in (sys.stdout, sys.stderr)])",
    "handlers": "import signal; print([signal.getsignal(n) for n in (2, 13, 15)], signal.pthread_sigmask(0, []))",
    "killed": "import os; print('flushed', flush=True); os.kill(os.getpid(), 9)",
    "a segmentation fault": "import os; os.kill(os.getpid(), 11)",
    "its end": "import atexit; atexit.register(print, 'last'); print('first')",
    "a thread": "import threading; threading.Timer(0.1, print, ['late']).start()",
    "closed output": "import os; os.close(1); os.open('/dev/full', 1); print('lost')",
    "a group": "import os; print(os.getpgid(0) == os.getpgid(os.getppid()), os.getsid(0) == os.getpid())",
    "descriptors": "import os; print(sorted(int(fd) for fd in os.listdir('/proc/self/fd'))[:4])",
}


def ended(code, **options):
    command = [sys.executable, "-c", code, "one", "two"]
    process = subprocess.run(command, capture_output=True, text=True, input="a line\nmore", timeout=60, **options)
    return process.returncode, process.stdout, process.stderr


@pytest.mark.parametrize("code", PROGRAMS.values(), ids=PROGRAMS)
def test_a_fork_does_what_a_new_interpreter_does(code, tmp_path):
    options = {"cwd": tmp_path, "env": {**os.environ, "ASKED": "é"}}
    forked = ended(code, **options)
    with fork_server.new_interpreters():
        assert ended(code, **options)[:2] == forked[:2]


def test_an_exception_is_told_with_its_traceback():
    code, out, err = ended("raise ValueError('why')")
    assert (code, out) == (1, "")
    assert err.startswith("Traceback (most recent call last):\n")
    assert err.endswith("ValueError: why\n")


def test_a_fork_has_torch_and_a_new_interpreter_has_not():
    assert ended(IS_FORK)[1] == "True\n"
    assert ended(IS_FORK, env={**os.environ, "PYTHONPATH": "/"})[1] == "False\n"
    assert ended(IS_FORK, preexec_fn=lambda: None)[1] == "False\n"
    plain = subprocess.run([sys.executable, "-B", "-c", IS_FORK], capture_output=True, text=True)
    assert plain.stdout == "False\n"


def test_a_test_may_ask_for_a_new_interpreter(new_interpreters):
    assert ended(IS_FORK)[1] == "False\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_fork_is_a_child_that_signals_end(number):
    command = [sys.executable, "-c", "import time; print('there', flush=True); time.sleep(60)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.pid in [child.pid for child in psutil.Process().children()]
        assert process.stdout.readline() == b"there\n"
        assert process.poll() is None
        process.send_signal(number)
        assert process.wait(timeout=30) == -number


def test_a_fork_computes_with_threads():
    # A pool of threads that was there before the fork would hang.
    code = (
        "import torch; torch.set_num_threads(2); a = torch.ones(512, 512, requires_grad=True)\n"
        "loss = (a @ a).relu().sum(); loss.backward(); print(int(loss), torch.get_num_threads())"
    )
    assert ended(code)[:2] == (0, f"{512**3} 2\n")


@pytest.mark.parametrize("thread", ["", "import threading; threading.Timer(1, print).start(); "])
def test_a_forks_own_children_are_forks(tmp_path, thread):
    child = "import os, sys; print('torch' in sys.modules, os.getppid())"
    (tmp_path / "starter.py").write_text(
        f"{thread}import os, psutil, subprocess, sys\n"
        f"with subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE, text=True) as process:\n"
        "    said = process.stdout.read().split()\n"
        "print(said == ['True', str(os.getpid())], process.returncode, psutil.Process().name())"
    )
    ended = subprocess.run([sys.executable, str(tmp_path / "starter.py")], capture_output=True, text=True)
    assert ended.stdout.splitlines()[0] == "True 0 starter", ended.stderr
