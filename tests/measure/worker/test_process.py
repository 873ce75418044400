"""A worker process ends with its parent, at whatever it is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the kernel kills a process with its parent on Linux only"),
]

PARENT = """
import sys, time
from archbench.measure.worker.process import worker
with worker(sys.stderr) as process:
    print(process.pid, flush=True)
    time.sleep(600)
"""


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("wait_s", [0.3, 1.0])
def test_a_worker_that_still_imports_torch_ends_with_its_killed_parent(wait_s):
    command = [sys.executable, "-X", "dev", "-c", PARENT]  # an interpreter of its own, which the server of forks is not
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(wait_s)
        parent.kill()
    end = time.monotonic() + 2
    while is_running(pid) and time.monotonic() < end:
        time.sleep(0.02)
    assert not is_running(pid), os.kill(pid, 9)
