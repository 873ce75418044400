"""Load a data set by name: `digits`, `cifar10`, `cifar10:PATH` or `folder:PATH`."""

from __future__ import annotations

import os
from pathlib import Path

from archbench.errors import DataError, nearest
from archbench.training.data.cifar import is_cifar_archive, load_cifar, load_cifar_archive
from archbench.training.data.digits import load_digits
from archbench.training.data.folder import load_folder
from archbench.training.data.listing import TRAIN
from archbench.training.data.records import Data

_SOURCES = ("digits", "cifar10", "cifar10:PATH", "folder:PATH")


def load_data(text: str, *, download: bool = False, cache: Path | None = None) -> Data:
    """Return the data set that `text` names.

    `cifar10` is in `cache`, and downloaded to it only with `download`; `cifar10:PATH` is a folder or archive of the
    official files, or of images as in `folder:PATH`. Images of a folder or archive are read once and kept in `cache`,
    by default the user's cache directory. Raises DataError for an unknown name, and for data that is missing, cannot be
    read or is not what it should be.
    """
    cache = default_cache() if cache is None else cache
    source, _, place = text.partition(":")
    if download and source in ("digits", "folder"):
        raise DataError("{download} has no effect on {data}; only cifar10 is downloaded", download=True, data=text)
    if text == "digits":
        return load_digits()
    if text == "cifar10":
        return load_cifar(cache / "cifar10", download=download)
    if source == "cifar10" and place:
        return _cifar_at(Path(place).expanduser(), download=download, cache=cache)
    if source == "folder" and place:
        return load_folder(Path(place).expanduser(), cache)
    raise DataError(f"{{data}} is not one of {', '.join(_SOURCES)}{_hint(text)}", data=text)


def default_cache() -> Path:
    """Return the user's cache directory: by the XDG specification, or `%LOCALAPPDATA%`."""
    given = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(given) if given else Path.home() / ".cache") / "archbench"


def _cifar_at(path: Path, *, download: bool, cache: Path) -> Data:
    if path.is_file():
        return load_cifar_archive(path) if is_cifar_archive(path) else load_folder(path, cache)
    return load_folder(path, cache) if (path / TRAIN).is_dir() else load_cifar(path, download=download)


def _hint(text: str) -> str:
    return f"; did you mean 'folder:{text}'?" if Path(text).exists() else nearest(text, _SOURCES)
