"""Arrays as pixels: signed values in grey, in a diverging colour map or as RGB; pixels embedded in SVG."""

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

# Magenta, a colour in none of the scales.
NOT_FINITE = (255, 0, 255)

# ColorBrewer's RdBu in five steps, blue first: safe for colour-blind readers, neutral in the middle.
_DIVERGING = np.array([(5, 113, 176), (146, 197, 222), (247, 247, 247), (244, 165, 130), (202, 0, 32)])


def common_scale(*arrays: Values) -> float:
    """Return the largest magnitude of all finite values, rounded up to two digits; 1 where all are 0."""
    largest = max(float(np.abs(array[np.isfinite(array)]).max(initial=0.0)) for array in arrays)
    if largest == 0:
        return 1.0
    exponent = math.floor(math.log10(largest)) - 1
    # Without the tolerance 0.21 would become 0.22: 0.21 / 0.01 is 21.000000000000004.
    digits = math.ceil(largest / 10.0**exponent - 1e-6)
    return float(f"{digits}e{exponent}")


def in_grey(values: Values, scale: float) -> Pixels:
    """Return values as grey: -scale is black, 0 mid-grey, +scale white. Adds a last axis of three channels."""
    return in_colours(np.repeat(values[..., None], 3, axis=-1), scale)


def in_colours(values: Values, scale: float) -> Pixels:
    """Return values whose last axis is red, green and blue: -scale is 0, 0 is half, +scale is full intensity."""
    is_finite = np.isfinite(np.abs(values).max(axis=-1)[..., None])
    shares = np.clip(0.5 + np.where(is_finite, values, 0.0) / (2 * scale), 0, 1)
    return _marked(np.rint(255 * shares), is_finite)


def diverging(values: Values, scale: float) -> Pixels:
    """Return values as colours: -scale is blue, 0 nearly white, +scale red. Adds a last axis of three channels."""
    is_finite = np.isfinite(values)
    positions = np.clip(np.where(is_finite, values, 0.0) / scale, -1, 1)
    anchors = np.linspace(-1, 1, len(_DIVERGING))
    colours = np.stack([np.interp(positions, anchors, channel) for channel in _DIVERGING.T], axis=-1)
    return _marked(np.rint(colours), is_finite[..., None])


def _marked(colours: Values, is_finite: NDArray[np.bool_]) -> Pixels:
    return np.where(is_finite, colours, NOT_FINITE).astype(np.uint8)


def tiled(tiles: Pixels, columns: int, enlargement: int, gap: int, between: int) -> Pixels:
    """Return tiles (number, height, width, 3) in rows, each pixel enlarged, with a grey of `between` around each tile.

    Empty places of the last row are white.
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
    """Draw pixels (height, width, 3) into a rectangle; enlarged pixels stay sharp squares."""
    is_enlarged = width >= pixels.shape[1]
    # As a style: vl-convert ignores the attribute and would smooth the PNG.
    style = ' style="image-rendering:pixelated"' if is_enlarged else ""
    canvas.elements.append(
        f'<image x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" preserveAspectRatio="none"{style}'
        f' href="data:image/png;base64,{base64.b64encode(_png(pixels)).decode("ascii")}"/>'
    )


def colours_of(image: NDArray[Any]) -> Pixels:
    """Return an image (channels, height, width) of bytes as (height, width, 3); a single channel is grey."""
    assert image.dtype == np.uint8, image.dtype
    assert image.ndim == 3, image.shape
    assert image.shape[0] in (1, 3), image.shape
    return np.ascontiguousarray(np.broadcast_to(image, (3, *image.shape[1:])).transpose(1, 2, 0))


def _png(pixels: Pixels) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
