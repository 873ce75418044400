"""Lock a run folder: two processes that train in it would remove each other's checkpoints."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archbench.errors import UsageError


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold an exclusive lock on a `run.json`; the system releases it however the process ends.

    Raises UsageError if another process holds it. Does nothing on Windows.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with run.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"another process is training in '{run.parent}'; wait for it, or end it") from error
        yield
