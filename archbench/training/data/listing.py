"""Find the image files of a folder: `train/<class>/*` and `test/<class>/*`, as torchvision's ImageFolder does it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from archbench.errors import DataError

TRAIN, TEST, VALIDATION = "train", "test", "val"

# What file managers leave in folders; so are all files whose name begins with a dot. Every other file is an image.
_NO_IMAGES = {"Thumbs.db", "desktop.ini"}


@dataclass(frozen=True, slots=True)
class Listing:
    """The classes, and of each part the files and the index of the class of each."""

    classes: tuple[str, ...]
    files: dict[str, list[Path]]
    labels: dict[str, list[int]]


def list_images(root: Path) -> Listing:
    """Return the image files of a folder, in the order of classes and names.

    The parts are train, test and, where there is also `val`, val; without `test`, `val` is the test part. Raises
    DataError if a part or a class is missing, or if there are fewer than two classes.
    """
    folders = _folders(root)
    classes = _classes(folders[TRAIN])
    if len(classes) < 2:
        there = f"one class, '{classes[0]}'" if classes else "no folders of classes"
        raise DataError(f"'{folders[TRAIN]}' has {there}; expected {TRAIN}/<class>/* with two classes or more")
    found = {part: _samples(folder, classes) for part, folder in folders.items()}
    return Listing(
        classes,
        {part: [Path(path) for path, _ in samples] for part, samples in found.items()},
        {part: [label for _, label in samples] for part, samples in found.items()},
    )


def _folders(root: Path) -> dict[str, Path]:
    there = {part: root / part for part in (TRAIN, VALIDATION, TEST) if (root / part).is_dir()}
    if TRAIN not in there:
        raise DataError(f"'{root}' has no folder '{TRAIN}'; expected {TRAIN}/<class>/* and {TEST}/<class>/*")
    if TEST not in there and VALIDATION not in there:
        raise DataError(f"'{root}' has neither '{TEST}' nor '{VALIDATION}'; expected {TEST}/<class>/* beside {TRAIN}")
    return there if TEST in there else {TRAIN: there[TRAIN], TEST: there[VALIDATION]}


def _classes(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")))


def _samples(folder: Path, classes: tuple[str, ...]) -> list[tuple[str, int]]:
    from torchvision.datasets import ImageFolder

    strange = [name for name in _classes(folder) if name not in classes]
    if strange:
        raise DataError(f"'{folder / strange[0]}' is no class of '{TRAIN}'; there are {', '.join(classes)}")
    samples: list[tuple[str, int]] = ImageFolder.make_dataset(
        str(folder), {name: index for index, name in enumerate(classes)}, is_valid_file=_is_meant, allow_empty=True
    )
    empty = set(range(len(classes))) - {label for _, label in samples}
    if empty:
        raise DataError(f"'{folder / classes[min(empty)]}' has no images; every class needs some")
    return samples


def _is_meant(path: str) -> bool:
    name = Path(path).name
    return not name.startswith(".") and name not in _NO_IMAGES
