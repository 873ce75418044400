"""Keep images that were read from a folder or archive as one array, for as long as no file of it changes."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np

from archbench.errors import OutputError
from archbench.files import write_whole

Arrays = dict[str, np.ndarray]

# To be raised when files are read differently, so that what an earlier version kept is not used.
_VERSION = 1


def fingerprint(files: Iterable[Path], root: Path) -> str:
    """Return a hash of the files' places in `root`, their sizes and when they and their entries last changed.

    The time of the entry changes with the content even where a copying tool sets the other one back.
    """
    digest = hashlib.sha256(f"{_VERSION}".encode())
    for path in files:
        status = path.stat() if path.exists() else path.lstat()  # the latter for a link to nothing
        line = f"\0{path.relative_to(root)}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ctime_ns}"
        digest.update(os.fsencode(line))
    return digest.hexdigest()


def find(cache: Path, source: Path, mark: str) -> Arrays | None:
    """Return the arrays that are kept of `source`, None if there are none with this fingerprint, or damaged ones."""
    try:
        with np.load(_path(cache, source), allow_pickle=False) as file:
            return {name: file[name] for name in file} if str(file["mark"]) == mark else None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def keep(cache: Path, source: Path, mark: str, arrays: Arrays) -> None:
    """Keep arrays in place of earlier ones of `source`; where that is not possible they are read again next time."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, mark=np.array(mark), **arrays)
    path = _path(cache, source)
    with suppress(OSError, OutputError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, buffer.getvalue())


def _path(cache: Path, source: Path) -> Path:
    place = hashlib.sha256(os.fsencode(source.resolve())).hexdigest()[:12]
    return cache / "images" / f"{source.name}-{place}.npz"
