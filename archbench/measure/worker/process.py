"""Worker processes: started, never left behind, and how they ended in words."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO

_MOST_CHARACTERS = 300


@contextmanager
def worker(
    errors: IO[str], module: str = "archbench.measure.worker.server", variables: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Start a worker, which is a module; however the block is left, no process stays behind.

    Nor does one when this process is killed: its standard input then ends, and `end_with_parent` sees that.
    `variables` are added to the environment.
    """
    command = [sys.executable, "-m", module]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
        env={**os.environ, **(variables or {})},
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
    """End this process, whatever it is at, when nothing more can come on its standard input."""

    def wait_for_the_end() -> None:
        # Not through sys.stdin, which a thread that waits in it would lock for good.
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=wait_for_the_end, daemon=True).start()


def failure(error: Exception) -> str:
    """Say in one line what was raised: the first line, and the next where that one only leads up to it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = " ".join(lines[: 2 if lines and lines[0].endswith(":") else 1])
    return f"{type(error).__name__}: {said}".removesuffix(": ")[:_MOST_CHARACTERS]
