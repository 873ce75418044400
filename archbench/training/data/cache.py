"""Cache the images of a folder or archive as one array until a file changes."""

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

# Increase when files are read differently, so that entries of earlier versions are not used.
_VERSION = 1


def fingerprint(files: Iterable[Path], root: Path) -> str:
    """Return a hash of the files' paths in `root`, their sizes, modification times and inode change times.

    The inode change time changes with the content even where a copying tool restores the modification time.
    """
    digest = hashlib.sha256(f"{_VERSION}".encode())
    for path in files:
        status = path.stat() if path.exists() else path.lstat()  # lstat for a broken link
        line = f"\0{path.relative_to(root)}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ctime_ns}"
        digest.update(os.fsencode(line))
    return digest.hexdigest()


def find(cache: Path, source: Path, mark: str) -> Arrays | None:
    """Return the cached arrays of `source`, None if there are none with this fingerprint, or they are damaged."""
    try:
        with np.load(_path(cache, source), allow_pickle=False) as file:
            return {name: file[name] for name in file} if str(file["mark"]) == mark else None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def keep(cache: Path, source: Path, mark: str, arrays: Arrays) -> None:
    """Cache arrays in place of earlier ones of `source`; where they cannot be written, nothing is cached."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, mark=np.array(mark), **arrays)
    path = _path(cache, source)
    with suppress(OSError, OutputError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, buffer.getvalue())


def _path(cache: Path, source: Path) -> Path:
    place = hashlib.sha256(os.fsencode(source.resolve())).hexdigest()[:12]
    return cache / "images" / f"{source.name}-{place}.npz"
