"""Load the official CIFAR-10 (Krizhevsky, 2009) with torchvision, after verifying every file.

Its files are pickles, which may run code when they are read: so the MD5 of each is compared first. The checksums are
torchvision's: that of the archive from the data set's page, and those of the files in it.
"""

from __future__ import annotations

import hashlib
import lzma
import tarfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from archbench.errors import DataError
from archbench.training.data.archive import unpacked
from archbench.training.data.assembly import assemble
from archbench.training.data.records import Data, Images
from archbench.training.data.split import split_for_validation

NAME = "CIFAR-10"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIZE = (32, 32)
TRAIN_IMAGES = 50_000
TEST_IMAGES = 10_000

# The archive, the folder in it, and the first of the files there.
_ARCHIVE, _FOLDER, _FIRST = "cifar-10-python.tar.gz", "cifar-10-batches-py", "data_batch_1"


def is_cifar_archive(path: Path) -> bool:
    """Return whether a file is the official archive, complete or not, by its name or its top-level folder."""
    try:
        with tarfile.open(path) as tar:
            first = tar.next()
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError):
        first = None
    return path.name == _ARCHIVE or (first is not None and Path(first.name).parts[:1] == (_FOLDER,))


def load_cifar_archive(archive: Path) -> Data:
    """Return CIFAR-10 from the official archive. Raises DataError if it is not the published file."""
    _require_md5(archive, _dataset().tgz_md5)
    with unpacked(archive) as files:
        return _read(files)


def load_cifar(folder: Path, *, download: bool) -> Data:
    """Return CIFAR-10 from a folder with the official files, which `download` fetches first.

    Raises DataError if there are none or if one is not the published file.
    """
    for files in (folder / _FOLDER, folder):
        if (files / _FIRST).is_file():
            return _read(files)
    archive = folder / _ARCHIVE
    if download:
        _download(archive)
    if not archive.is_file():
        raise DataError(
            f"there is no CIFAR-10 in '{folder}'; {{download}} fetches it, or name its folder: cifar10:PATH",
            download=...,
        )
    return load_cifar_archive(archive)


def _read(files: Path) -> Data:
    """Return the data set from the official files in a folder."""
    dataset = _dataset()
    for name, md5 in (*dataset.train_list, *dataset.test_list, (dataset.meta["filename"], dataset.meta["md5"])):
        _require_md5(files / name, md5)
    here = type("CIFAR10Here", (dataset,), {"base_folder": "."})
    train, test = (_images(here(files, train=is_train)) for is_train in (True, False))
    train, validation = split_for_validation(train, CLASSES)
    return assemble(NAME, "", CLASSES, train=train, validation=validation, test=test)


def _images(dataset: Any) -> Images:
    by_channel = np.ascontiguousarray(dataset.data.transpose(0, 3, 1, 2))
    return Images(torch.from_numpy(by_channel), torch.tensor(dataset.targets, dtype=torch.int64))


def _download(archive: Path) -> None:
    """Download the archive unless it is complete. Raises DataError if that fails or gives another file."""
    from torchvision.datasets.utils import download_url

    dataset = _dataset()
    try:
        download_url(dataset.url, archive.parent, filename=archive.name, md5=dataset.tgz_md5)
    except (OSError, RuntimeError) as error:
        if archive.is_file():
            _require_md5(archive, dataset.tgz_md5)
        raise DataError(f"cannot download CIFAR-10 from {dataset.url} to '{archive.parent}': {error}") from error


def _require_md5(path: Path, expected: str) -> None:
    """Raise DataError unless a file exists and has the expected MD5."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise DataError(f"cannot read '{path}' of CIFAR-10: {error.strerror}") from error
    if digest != expected:
        raise DataError(
            f"'{path}' is not the published file: its MD5 is {digest}, expected {expected}; it was not read"
        )


def _dataset() -> Any:
    """Return torchvision's class, which has names and checksums, and takes a while to import."""
    from torchvision.datasets import CIFAR10

    return CIFAR10
