"""Load images from folders, `train/<class>/*` and `test/<class>/*`, or from a tar archive of such folders.

Without `test`, `val` is the test set; with both, `val` is for validation instead of a tenth of the training images. All
images are resized to the most frequent size of the training images, at most 256 on the longer side, whatever their
proportions; they are grey if none has colour. The result is cached as one array until a file changes.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

from archbench.errors import DataError
from archbench.training.data import cache as image_cache
from archbench.training.data import cifar
from archbench.training.data.archive import unpacked
from archbench.training.data.assembly import assemble
from archbench.training.data.decoding import are_grey, common_size, read_headers, read_images
from archbench.training.data.listing import TEST, TRAIN, VALIDATION, list_images
from archbench.training.data.records import Data, Images
from archbench.training.data.split import split_for_validation
from archbench.units import format_integer


def load_folder(path: Path, cache: Path) -> Data:
    """Return the images of a folder or archive, from `cache` if no file has changed since.

    Raises DataError if nothing is there, if a part or a class is missing, and for files that cannot be read.
    """
    if not path.exists():
        raise DataError(f"there is no '{path}'; expected a folder or tar archive with '{TRAIN}' and '{TEST}' in it")
    mark = image_cache.fingerprint(_files(path), path)
    arrays = image_cache.find(cache, path, mark)
    if arrays is None:
        with unpacked(path) if path.is_file() else nullcontext(path) as folder:
            arrays = _read(folder)
        image_cache.keep(cache, path, mark, arrays)
    return _data(path, arrays)


def _files(path: Path) -> list[Path]:
    """Return the files that the images depend on: the archive, or all in the folder's parts, following links."""
    if path.is_file():
        return [path]
    walks = (os.walk(path / part, followlinks=True) for part in (TRAIN, VALIDATION, TEST))
    return sorted(Path(folder, name) for walk in walks for folder, _, names in walk for name in names)


def _read(folder: Path) -> image_cache.Arrays:
    """Return the arrays to cache: images and labels of each part, classes, number of resized images, format."""
    listing = list_images(folder)
    headers = {part: read_headers(files, folder) for part, files in listing.files.items()}
    every = [header for part in headers.values() for header in part]
    size, grey = common_size(headers[TRAIN]), are_grey(every)
    arrays = {
        "classes": np.array(listing.classes),
        "resized": np.array(sum(header.size != size for header in every)),
        "jpeg": np.array(all(header.format == "JPEG" for header in every)),
    }
    for part, files in listing.files.items():
        arrays[f"{part}_images"] = read_images(files, folder, size, grey=grey)
        arrays[f"{part}_labels"] = np.array(listing.labels[part], dtype=np.int64)
    return arrays


def _data(path: Path, arrays: image_cache.Arrays) -> Data:
    classes = tuple(arrays["classes"].tolist())
    train, test = _images(arrays, TRAIN), _images(arrays, TEST)
    name, caveat = _name_and_caveat(path, classes, arrays)
    if f"{VALIDATION}_images" in arrays:
        validation = _images(arrays, VALIDATION)
    else:
        train, validation = split_for_validation(train, classes)
    return assemble(name, caveat, classes, train=train, validation=validation, test=test)


def _images(arrays: image_cache.Arrays, part: str) -> Images:
    return Images(torch.from_numpy(arrays[f"{part}_images"]), torch.from_numpy(arrays[f"{part}_labels"]))


def _name_and_caveat(path: Path, classes: tuple[str, ...], arrays: image_cache.Arrays) -> tuple[str, str]:
    """Return the data's name and caveat. CIFAR-10 as JPEG, recognised by classes and size, is not the official one."""
    *_, height, width = arrays[f"{TRAIN}_images"].shape
    resized, parts = int(arrays["resized"]), [name for name in arrays if name.endswith("_images")]
    if classes == cifar.CLASSES and (width, height) == cifar.SIZE and arrays["jpeg"] and not resized:
        train, test = (len(arrays[f"{part}_images"]) for part in (TRAIN, TEST))
        return f"{cifar.NAME} (JPEG)", f"re-encoded as JPEG, not the official files{_part_of_cifar(train, test)}"
    total = sum(len(arrays[name]) for name in parts)
    caveat = f"{format_integer(resized)} of {format_integer(total)} images resized to {width}×{height}"
    return f"folder {_plain_name(path)}", caveat if resized else ""


def _part_of_cifar(train: int, test: int) -> str:
    if (train, test) == (cifar.TRAIN_IMAGES, cifar.TEST_IMAGES):
        return ""
    training = f"{format_integer(train)} of {format_integer(cifar.TRAIN_IMAGES)} training"
    return f"; {training} and {format_integer(test)} of {format_integer(cifar.TEST_IMAGES)} test images"


def _plain_name(path: Path) -> str:
    """Return the name of a folder, or of an archive without its ending."""
    name = path.resolve().name
    return name.split(".tar")[0].removesuffix(".tgz") if path.is_file() else name
