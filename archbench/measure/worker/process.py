"""Worker processes: start one and never leave one behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO

from archbench.measure.worker.forks import ForkedProcess, fork
from archbench.models.user_context import import_variables

_MODULE = "archbench.measure.worker"


Process = subprocess.Popen[str] | ForkedProcess


@contextmanager
def worker(errors: IO[str], variables: Mapping[str, str] | None = None, *, may_fork: bool = False) -> Iterator[Process]:
    """Start a worker process and kill it at the end of the block, however the block ends.

    If this process is killed, the kernel kills the worker on Linux; elsewhere its standard input ends, which
    `end_with_parent` watches for. `variables` are added to its environment. With `may_fork` the worker is a fork within
    `archbench.measure.worker.forks.forked_workers`, unless there are variables, which libraries may read when imported.
    """
    forked = fork(errors) if may_fork and not variables else None
    with forked or _new_interpreter(errors, variables or {}) as process:
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            assert process.stdin is not None, "it is a pipe"
            with suppress(BrokenPipeError):  # a line that the process did not read
                process.stdin.close()


def _new_interpreter(errors: IO[str], variables: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", _MODULE],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
        env={**os.environ, **import_variables(), **variables},
    )  # fmt: skip


def end_with_parent() -> None:
    """End this process, whatever it is doing, when its standard input ends."""

    def wait_for_the_end() -> None:
        # Not through sys.stdin, which a thread that blocks in it would lock for good.
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=wait_for_the_end, daemon=True).start()
