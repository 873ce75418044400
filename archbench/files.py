"""Write a file whole or not at all."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from archbench.errors import OutputError

# Ends the name of a file that is not whole yet.
_UNFINISHED = ".unfinished"


def write_whole(path: Path, content: str | bytes) -> None:
    """Write text, as UTF-8, or bytes to `path` so that at every moment there is the old file or the new one.

    A link is followed, permissions of an earlier file are kept, and what is no regular file (a pipe, a terminal) is
    written to directly. A byte of a file's name that is no UTF-8 becomes the escape that JSON has for it, as on
    standard output. Raises OutputError, with nothing changed, if it cannot be written.
    """
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(data)
        else:
            _replace(path.resolve(), data)
    except OSError as error:
        raise OutputError(f"cannot write '{path}': {error.strerror or error}") from error


def remove_unfinished(folder: Path) -> None:
    """Remove what a process that was killed while it wrote has left below a folder where nobody else is writing."""
    for path in folder.rglob(f".*{_UNFINISHED}"):
        path.unlink(missing_ok=True)


def plain_name(address: str) -> str:
    """Return a model's address as a file's name: every character that some system may not have becomes `_`."""
    return re.sub(r"[^A-Za-z0-9.@=_-]+", "_", address).strip("._") or "model"


def _replace(target: Path, data: bytes) -> None:
    if target.is_dir():
        raise IsADirectoryError(None, "it is a folder")
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(None, "it is read-only")
    mode = target.stat().st_mode if target.exists() else 0o666 & ~_umask()
    file = tempfile.NamedTemporaryFile(  # noqa: SIM115  # closed below, before it is renamed
        dir=target.parent, prefix=f".{target.name}.", suffix=_UNFINISHED, delete=False
    )
    temporary = Path(file.name)
    try:
        with file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(target)
        _flush_folder(target.parent)
    except BaseException:  # also when interrupted: no temporary file stays behind
        temporary.unlink(missing_ok=True)
        raise


def _flush_folder(folder: Path) -> None:
    """See to it that the new name outlasts a loss of power; where folders cannot be opened, the system does so."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    """Return the process's mask for new files; it can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
