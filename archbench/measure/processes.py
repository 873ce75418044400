"""Worker processes: started, never left behind, and how they ended in words."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO


@contextmanager
def worker(errors: IO[str], module: str = "archbench.measure.worker") -> Iterator[subprocess.Popen[str]]:
    """Start a worker, which is a module; however the block is left, no process stays behind."""
    command = [sys.executable, "-m", module]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def reason(code: int, errors: str) -> str:
    """Say in one line how a process ended."""
    if code < 0:
        killed = " (the system may have run out of memory)" if -code == signal.SIGKILL else ""
        return f"the process was ended by {signal.Signals(-code).name}{killed}"
    lines = [line for line in errors.splitlines() if line.strip()]
    return lines[-1].strip().removeprefix("archbench.errors.") if lines else f"the process ended with code {code}"
