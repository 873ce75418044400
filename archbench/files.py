"""Files: the data directory, writing whole or not at all, and CSV as records."""

from __future__ import annotations

import csv
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from archbench.errors import OutputError

# The suffix of a file that is still being written.
_UNFINISHED = ".unfinished"
_MOST_LINKS = 40

_PARSERS: dict[Any, Callable[[str], Any]] = {int: int, float: float, bool: "True".__eq__}

Record = TypeVar("Record")


def data_directory() -> Path:
    """Return the directory for measured data: by the XDG base directory specification, or `%LOCALAPPDATA%`."""
    given = os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(given) if given else Path.home() / ".local" / "share") / "archbench"


def write_whole(path: Path, content: str | bytes) -> None:
    """Write text (as UTF-8) or bytes to `path` atomically: at every moment either the old or the new file exists.

    Links are followed, permissions of an existing file are kept. Special files (pipes, terminals) are written to
    directly, and so are open descriptors such as `/dev/stdout`, from where they stand. A byte of a file name in the
    text that is not valid UTF-8 is written as an escape, as in JSON. Raises OutputError, with nothing changed, if the
    file cannot be written.
    """
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    try:
        descriptor = _descriptor(path)
        if descriptor is not None:
            with open(os.dup(descriptor), "wb") as stream:  # noqa: PTH123  # a descriptor
                stream.write(data)
        elif path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(data)
        else:
            _replace(path.resolve(), data)
    except OSError as error:
        raise OutputError(f"cannot write '{path}': {error.strerror or error}") from error


def records_from_csv(text: str, record_type: type[Record]) -> list[Record]:
    """Return one record per row of a CSV table whose columns are the fields of a dataclass: str, int, float or bool."""
    types = get_type_hints(record_type)
    rows = csv.DictReader(text.splitlines())
    return [record_type(**{name: _PARSERS.get(types[name], str)(row[name]) for name in types}) for row in rows]


def remove_unfinished(folder: Path) -> None:
    """Remove temporary files of killed processes below a folder that no other process is writing to."""
    for path in folder.rglob(f".*{_UNFINISHED}"):
        path.unlink(missing_ok=True)


def plain_name(address: str) -> str:
    """Return a model's address as a portable file name: other characters than letters, digits and `.@=-` become `_`."""
    return re.sub(r"[^A-Za-z0-9.@=_-]+", "_", address).strip("._") or "model"


def is_descriptor(path: Path) -> bool:
    """Return whether a path stands for an open file descriptor, as `/dev/stdout` does."""
    return _descriptor(path) is not None


def _descriptor(path: Path) -> int | None:
    """Return the open file descriptor that a path such as `/dev/stdout` stands for, also through links."""
    for _ in range(_MOST_LINKS):
        match = re.fullmatch(r"/(?:dev|proc/self)/fd/([0-9]{1,9})", str(path))
        if match is not None:
            return int(match[1])
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None


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
    except BaseException:  # also on interruption: no temporary file remains
        temporary.unlink(missing_ok=True)
        raise


def _flush_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a new name survives a power loss; Windows does so by itself."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    """Return the process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
