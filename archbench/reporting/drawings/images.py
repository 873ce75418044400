"""Arrays as pixels: signed values in grey, in colour or as red, green and blue, and how pixels enter an SVG picture."""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archbench.reporting.drawings.canvas import Canvas

Values = NDArray[np.float64]
Pixels = NDArray[np.uint8]

# What is no finite number is drawn in a colour that neither scale has.
NO_NUMBER = (255, 0, 255)

# ColorBrewer's RdBu in five steps, blue first: told apart by colour-blind readers, neutral in the middle.
_DIVERGING = np.array([(5, 113, 176), (146, 197, 222), (247, 247, 247), (244, 165, 130), (202, 0, 32)])


def common_scale(*arrays: Values) -> float:
    """Return the least number of two digits that no finite value exceeds in size; 1 where all are 0."""
    largest = max(float(np.abs(array[np.isfinite(array)]).max(initial=0.0)) for array in arrays)
    if largest == 0:
        return 1.0
    exponent = math.floor(math.log10(largest)) - 1
    # Without the small part, 0.21 would become 0.22: 0.21 / 0.01 is 21.000000000000004.
    digits = math.ceil(largest / 10.0**exponent - 1e-6)
    return float(f"{digits}e{exponent}")


def in_grey(values: Values, scale: float) -> Pixels:
    """Return values from -scale (black) over 0 (mid-grey) to +scale (white), with a last axis of three colours."""
    return in_colours(np.repeat(values[..., None], 3, axis=-1), scale)


def in_colours(values: Values, scale: float) -> Pixels:
    """Return values whose last axis is red, green and blue: none of a colour at -scale, half of it at 0."""
    is_number = np.isfinite(np.abs(values).max(axis=-1)[..., None])
    shares = np.clip(0.5 + np.where(is_number, values, 0.0) / (2 * scale), 0, 1)
    return _marked(np.rint(255 * shares), is_number)


def diverging(values: Values, scale: float) -> Pixels:
    """Return values from -scale (blue) over 0 (nearly white) to +scale (red), with a last axis of three colours."""
    is_number = np.isfinite(values)
    places = np.clip(np.where(is_number, values, 0.0) / scale, -1, 1)
    anchors = np.linspace(-1, 1, len(_DIVERGING))
    colours = np.stack([np.interp(places, anchors, channel) for channel in _DIVERGING.T], axis=-1)
    return _marked(np.rint(colours), is_number[..., None])


def _marked(colours: Values, is_number: NDArray[np.bool_]) -> Pixels:
    return np.where(is_number, colours, NO_NUMBER).astype(np.uint8)


def tiled(tiles: Pixels, columns: int, enlargement: int, gap: int, between: int) -> Pixels:
    """Return tiles (number, height, width, 3) row by row, each value a square, with grey of `between` around each.

    Places in the last row that no tile takes are white.
    """
    enlarged = tiles.repeat(enlargement, axis=1).repeat(enlargement, axis=2)
    number, height, width, _ = enlarged.shape
    rows = -(-number // columns)
    page = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, dtype=np.uint8)
    for place, tile in enumerate(enlarged):
        top, left = (place // columns) * (height + gap), (place % columns) * (width + gap)
        page[top : top + height + 2 * gap, left : left + width + 2 * gap] = between
        page[top + gap : top + gap + height, left + gap : left + gap + width] = tile
    return page


def draw_pixels(canvas: Canvas, pixels: Pixels, x: float, y: float, width: float, height: float) -> None:
    """Draw pixels (height, width, 3) into a rectangle; enlarged ones stay squares."""
    is_enlarged = width >= pixels.shape[1]
    # As a style: as an attribute, what makes PNG of SVG smooths it all the same.
    style = ' style="image-rendering:pixelated"' if is_enlarged else ""
    canvas.elements.append(
        f'<image x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" preserveAspectRatio="none"{style}'
        f' href="data:image/png;base64,{base64.b64encode(_png(pixels)).decode("ascii")}"/>'
    )


def colours_of(image: NDArray[Any]) -> Pixels:
    """Return an image (channels, height, width) of bytes as (height, width, 3); one channel is grey."""
    assert image.dtype == np.uint8, image.dtype
    assert image.ndim == 3, image.shape
    assert image.shape[0] in (1, 3), image.shape
    return np.ascontiguousarray(np.broadcast_to(image, (3, *image.shape[1:])).transpose(1, 2, 0))


def _png(pixels: Pixels) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
