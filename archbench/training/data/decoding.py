"""Read image files of any format and size into one array of uint8.

Every file is opened twice: for its header, which has the size and the colour mode, then for its pixels.
"""

from __future__ import annotations

import struct
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from archbench.errors import DataError
from archbench.units import format_bytes, format_integer

if TYPE_CHECKING:
    from PIL.Image import Image

# No architecture here has a larger input; the longer side of larger images is reduced to it.
_LONGEST_SIDE = 256
_GREY_MODES = {"1", "L", "LA"}
_NAMED = 3

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Header:
    """An image file's width and height, its colour mode and its format, as PIL names them."""

    size: tuple[int, int]
    mode: str
    format: str


def read_headers(files: Sequence[Path], root: Path) -> list[Header]:
    """Return the headers of image files. Raises DataError naming those, relative to `root`, that cannot be read."""

    def header(image: Image) -> Header:
        if image.mode.startswith(("I", "F")):
            raise ValueError("more than 8 bits per channel")
        return Header(image.size, image.mode, image.format or "")

    return _of_all(files, root, header)


def common_size(headers: Iterable[Header]) -> tuple[int, int]:
    """Return the most frequent width and height, the first of equally frequent ones, reduced to at most 256."""
    (width, height), _ = Counter(header.size for header in headers).most_common(1)[0]
    scale = min(1.0, _LONGEST_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def are_grey(headers: Iterable[Header]) -> bool:
    """Return whether no image has colour."""
    return all(header.mode in _GREY_MODES for header in headers)


def read_images(files: Sequence[Path], root: Path, size: tuple[int, int], *, grey: bool) -> np.ndarray:
    """Return the images, uint8 (N, 1 or 3, H, W), resized to `size`, width and height, where they differ (bilinear).

    Transparency is dropped. Raises DataError naming files that cannot be read, or if memory is too small.
    """
    from PIL.Image import Resampling

    width, height = size
    shape = (len(files), 1 if grey else 3, height, width)
    _require_memory(shape)
    images = np.empty(shape, dtype=np.uint8)
    rows = iter(images)

    def put(image: Image) -> None:
        pixels = image.convert("L" if grey else "RGB")
        if pixels.size != size:
            pixels = pixels.resize(size, Resampling.BILINEAR)
        next(rows)[:] = np.asarray(pixels).reshape(height, width, -1).transpose(2, 0, 1)

    _of_all(files, root, put)
    return images


def _of_all(files: Sequence[Path], root: Path, function: Callable[[Image], _T]) -> list[_T]:
    """Return the result of a function for each image; raise DataError naming those that could not be read."""
    with warnings.catch_warnings():
        from PIL.Image import DecompressionBombWarning

        warnings.simplefilter("ignore", DecompressionBombWarning)  # only twice as many pixels are an error
        return _results(files, root, function)


def _results(files: Sequence[Path], root: Path, function: Callable[[Image], _T]) -> list[_T]:
    import PIL.Image

    results, unreadable = [], []
    # The errors that PIL raises for damaged files, depending on the format.
    damaged = (OSError, EOFError, SyntaxError, ValueError, TypeError, IndexError, struct.error)
    for path in files:
        try:
            with PIL.Image.open(path) as image:
                results.append(function(image))
        except (*damaged, PIL.Image.DecompressionBombError) as error:
            unreadable.append(f"'{path.relative_to(root)}' ({_reason(error, path)})")
    if unreadable:
        more = len(unreadable) - _NAMED
        named = ", ".join(unreadable[:_NAMED]) + (f" and {format_integer(more)} more" if more > 0 else "")
        raise DataError(f"cannot read {named} as images; repair or remove them")
    return results


def _reason(error: Exception, path: Path) -> str:
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "unknown format" if path.stat().st_size else "empty file"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _require_memory(shape: tuple[int, ...]) -> None:
    # Once as an array, and once as the cached file.
    needed, free = 2 * int(np.prod(shape, dtype=np.int64)), import_module("psutil").virtual_memory().available
    if needed > free:
        raise DataError(
            f"{format_integer(shape[0])} images of {shape[3]}×{shape[2]} need {format_bytes(needed)} of memory; "
            f"{format_bytes(free)} are free"
        )
