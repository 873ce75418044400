"""Workers that carry out their requests in this process, where importing torch again is not what is tested."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import IO, Any

from archbench.measure.worker.channel import Channel
from archbench.measure.worker.request import request_from_json
from archbench.measure.worker.server import run


@contextmanager
def worker(errors: IO[str], variables: Any = None, *, may_fork: bool = False) -> Iterator[SimpleNamespace]:
    """Stand in for `archbench.measure.worker.process.worker` with a thread."""
    (lines, stdin), (stdout, output) = _pipe(), _pipe()

    def serve() -> None:
        with output, lines:
            run(request_from_json(next(lines)), Channel(output, lines))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield SimpleNamespace(stdin=stdin, stdout=stdout, wait=lambda: 0, kill=lambda: None)
    finally:
        stdin.close()
        thread.join(60)
        stdout.close()


def _pipe() -> tuple[IO[str], IO[str]]:
    reading, writing = os.pipe()
    return os.fdopen(reading, encoding="utf-8"), os.fdopen(writing, "w", encoding="utf-8")
