"""One process at a time trains in a run's folder: two would remove each other's checkpoints."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archbench.errors import UsageError


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold a run's own file for this process alone; the system lets go of it however the process ends.

    Raises UsageError if another process holds it. Where the system has no such locks, nothing is held.
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
