"""Unpack a tar archive of images for as long as they are read."""

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
    """Unpack a `.tar`, also a compressed one, and give the folder in it that holds the data; it is removed afterwards.

    Members that would leave the folder, and all but plain files and folders, are refused, as Python's `data` filter
    does it (PEP 706). Raises DataError for what is no archive, is cut short or has such members.
    """
    with TemporaryDirectory(prefix="archbench-") as folder:
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
        except tarfile.FilterError as error:
            raise DataError(f"'{archive}' is not to be trusted: {error}") from error
        except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError) as error:
            raise DataError(f"cannot unpack '{archive}': {error}; expected a tar archive") from error
        yield _inner(Path(folder))


def _inner(folder: Path) -> Path:
    """Return the only folder of a folder that holds nothing else: many archives have one around everything."""
    content = list(folder.iterdir())
    return content[0] if len(content) == 1 and content[0].is_dir() and content[0].name != "train" else folder
