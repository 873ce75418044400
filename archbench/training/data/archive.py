"""Unpack a tar archive of images into a temporary folder."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from archbench.errors import DataError


@contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """Unpack a `.tar` or compressed tar archive, and yield the folder with the data; it is removed on exit.

    Members outside the folder, and special files, are refused by Python's `data` filter (PEP 706). Raises DataError for
    a file that is not an archive, is truncated or has such members.
    """
    with TemporaryDirectory(prefix="archbench-") as folder:
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
        except tarfile.FilterError as error:
            raise DataError(f"'{archive}' has unsafe members: {error}") from error
        except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError) as error:
            raise DataError(f"cannot unpack '{archive}': {error}; expected a tar archive") from error
        yield _inner(Path(folder))


def _inner(folder: Path) -> Path:
    """Return the top-level folder of an archive if everything else is in it, else the archive's own content."""
    content = list(folder.iterdir())
    return content[0] if len(content) == 1 and content[0].is_dir() and content[0].name != "train" else folder
