"""Worker processes: start one and never leave one behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO

from archbench.models.user_context import import_variables

_MODULE = "archbench.measure.worker"


@contextmanager
def worker(errors: IO[str], variables: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """Start a worker process and kill it at the end of the block, however the block ends.

    If this process is killed, the kernel kills the worker on Linux; elsewhere its standard input ends, which
    `end_with_parent` watches for. `variables` are
    added to its environment.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", _MODULE],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
        env={**os.environ, **import_variables(), **(variables or {})},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def end_with_parent() -> None:
    """End this process, whatever it is doing, when its standard input ends."""

    def wait_for_the_end() -> None:
        # Not through sys.stdin, which a thread that blocks in it would lock for good.
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=wait_for_the_end, daemon=True).start()
