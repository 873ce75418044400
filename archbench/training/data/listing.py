"""List the image files of a folder, `train/<class>/*` and `test/<class>/*`, as torchvision's ImageFolder does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from archbench.errors import DataError

TRAIN, TEST, VALIDATION = "train", "test", "val"

# Left by file managers. Names that begin with a dot and special files are skipped, too; all others must be images.
_NOT_IMAGES = {"Thumbs.db", "desktop.ini"}


@dataclass(frozen=True, slots=True)
class Listing:
    """The classes, and the files of each part with the index of each one's class."""

    classes: tuple[str, ...]
    files: dict[str, list[Path]]
    labels: dict[str, list[int]]


def list_images(root: Path) -> Listing:
    """Return the image files of a folder, ordered by class and name.

    The parts are train, test and, if `val` exists too, val; without `test`, `val` is the test part. Raises DataError if
    a part or a class is missing, or if there are fewer than two classes.
    """
    folders = _folders(root)
    classes = _classes(folders[TRAIN])
    if len(classes) < 2:
        content = f"one class, '{classes[0]}'" if classes else "no folders of classes"
        raise DataError(f"'{folders[TRAIN]}' has {content}; expected {TRAIN}/<class>/* with two classes or more")
    parts = {part: _samples(folder, classes) for part, folder in folders.items()}
    return Listing(
        classes,
        {part: [Path(path) for path, _ in samples] for part, samples in parts.items()},
        {part: [label for _, label in samples] for part, samples in parts.items()},
    )


def _folders(root: Path) -> dict[str, Path]:
    folders = {part: root / part for part in (TRAIN, VALIDATION, TEST) if (root / part).is_dir()}
    if TRAIN not in folders:
        raise DataError(f"'{root}' has no folder '{TRAIN}'; expected {TRAIN}/<class>/* and {TEST}/<class>/*")
    if TEST not in folders and VALIDATION not in folders:
        raise DataError(f"'{root}' has neither '{TEST}' nor '{VALIDATION}'; expected {TEST}/<class>/* beside {TRAIN}")
    return folders if TEST in folders else {TRAIN: folders[TRAIN], TEST: folders[VALIDATION]}


def _classes(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")))


def _samples(folder: Path, classes: tuple[str, ...]) -> list[tuple[str, int]]:
    from torchvision.datasets import ImageFolder

    unknown = [name for name in _classes(folder) if name not in classes]
    if unknown:
        raise DataError(f"'{folder / unknown[0]}' is not a class of '{TRAIN}'; there are {', '.join(classes)}")
    samples: list[tuple[str, int]] = ImageFolder.make_dataset(
        str(folder), {name: index for index, name in enumerate(classes)}, is_valid_file=_is_image, allow_empty=True
    )
    empty = set(range(len(classes))) - {label for _, label in samples}
    if empty:
        raise DataError(f"'{folder / classes[min(empty)]}' has no images; every class needs some")
    return samples


def _is_image(path: str) -> bool:
    name = Path(path).name
    is_special = Path(path).exists() and not Path(path).is_file()  # reading a pipe would wait for ever
    return not name.startswith(".") and name not in _NOT_IMAGES and not is_special
