"""Lock a run folder: two processes that train in it would remove each other's checkpoints."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archbench.errors import UsageError


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold an exclusive lock on the folder of a `run.json`; the system releases it however the process ends.

    The file itself may be replaced meanwhile. Raises UsageError if another process holds the lock. Does nothing on
    Windows.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    folder = os.open(run.parent, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"another process is training in '{run.parent}'; wait for it, or end it") from error
        yield
    finally:
        os.close(folder)
