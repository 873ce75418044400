"""The weights of a convolution before training, after it, and their difference, on one scale.

Filters of the first layer see colours, so each is drawn as a small colour image (Krizhevsky, Sutskever, Hinton 2012,
figure 3). Deeper kernels see many feature maps, which no colour image can show: of these, one kernel is drawn as its
slices, one per input map.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from archbench.reporting.drawings.canvas import MARGIN, THEME_FAINT, Canvas, Point, text_width
from archbench.reporting.drawings.images import (
    Pixels,
    Values,
    common_scale,
    diverging,
    draw_pixels,
    in_colours,
    in_grey,
    tiled,
)
from archbench.reporting.tables.wording import several
from archbench.units import format_figure, format_integer

_PANEL = 300  # pixels: approximate width of a panel
_LARGEST_SQUARE = 20  # pixels per weight
_GAP = 2
_PANEL_GAP = 28.0
_TITLE_SIZE = 13.0
_TEXT_SIZE = 11.0
_BAR = (240.0, 12.0)
_MOST_DIGITS = 6  # of a magnification; smaller differences are rounding errors
_NO_NUMBERS = "Magenta marks what is no finite number."


@dataclass(frozen=True, slots=True)
class Convolution:
    """The weights of one convolution, (filters, input channels per group, height, width)."""

    name: str
    weight: Values


@dataclass(frozen=True, slots=True)
class _TileStyle:
    """How tiles are drawn: the colour map, the grey between tiles, and the meaning of the ends if the bar has not."""

    kind: str
    between: int
    ends: str = ""

    def pixels(self, values: Values, scale: float) -> Pixels:
        if self.kind == "colours":
            return in_colours(values, scale)
        return (in_grey if self.kind == "grey" else diverging)(values, scale)

    def ramp(self, scale: float) -> Pixels:
        """Return the scale from its low end to its high end, as a single row of pixels."""
        values = np.linspace(-scale, scale, 121)[None]
        return diverging(values, scale) if self.kind == "diverging" else in_grey(values, scale)


_COLOURS = _TileStyle("colours", 255, "of red, green and blue each: none of it to all of it")
_GREY = _TileStyle("grey", 255)
_DIVERGING = _TileStyle("diverging", 170)


def convolutions(state: Mapping[str, Any]) -> list[Convolution]:
    """Return the convolutions of a state dict in the order of registration, for zoo models that of execution.

    A convolution is a floating-point `weight` of four dimensions.
    """
    return [
        Convolution(name.rpartition(".")[0] or name, tensor.detach().cpu().double().numpy())
        for name, tensor in state.items()
        if name.rpartition(".")[2] == "weight" and tensor.ndim == 4 and tensor.is_floating_point()
    ]


def filter_pictures(
    before: Mapping[str, Any], after: Mapping[str, Any], *, model: str, subtitle: str
) -> dict[str, str]:
    """Return SVGs of a model's first two convolutions by layer name, from its state dicts before and after training.

    The first layer is drawn as a grid of filters, the second as the slices of its first kernel. A layer that `before`
    lacks is left out.
    """
    earlier = {layer.name: layer.weight for layer in convolutions(before)}
    return {
        layer.name: draw(earlier[layer.name], layer.weight, title=f"{model}: {layer.name}", subtitle=subtitle)
        for draw, layer in zip((filter_grid, kernel_slices), convolutions(after), strict=False)
        if layer.name in earlier
    }


def filter_grid(before: Values, after: Values, *, title: str, subtitle: str, caption: str = "") -> str:
    """Return all filters of a first layer as SVG; the weights are (filters, channels, height, width).

    Three channels are drawn as red, green and blue, one as grey. For any other number the slices of the first kernel
    are drawn instead.
    """
    filters, channels, *_ = before.shape
    if channels not in (1, 3):
        return kernel_slices(before, after, title=title, subtitle=subtitle, caption=caption)
    style = _GREY if channels == 1 else _COLOURS
    meaning = "" if channels == 1 else " A pixel's red, green and blue are the three weights at its place."
    text = f"{several(filters, 'filter')} of {_size(before)}.{meaning}"
    tiles = (_as_images(before), _as_images(after))
    return _panels(*tiles, style, title=title, subtitle=subtitle, caption=f"{text} {caption}".strip())


def kernel_slices(
    before: Values, after: Values, kernel: int = 0, *, title: str, subtitle: str, caption: str = ""
) -> str:
    """Return one kernel as SVG, a tile per input map; the weights are (filters, channels, height, width)."""
    kernels, slices, *_ = before.shape
    text = (
        f"Kernel {format_integer(kernel + 1)} of {format_integer(kernels)}: its {several(slices, 'slice')} of"
        f" {before.shape[2]}x{before.shape[3]}, one for each map that it sees."
    )
    tiles = (before[kernel], after[kernel])
    return _panels(*tiles, _DIVERGING, title=title, subtitle=subtitle, caption=f"{text} {caption}".strip())


def _as_images(weight: Values) -> Values:
    """Return filters with channels last; a single channel loses its axis."""
    return weight[:, 0] if weight.shape[1] == 1 else weight.transpose(0, 2, 3, 1)


def _panels(before: Values, after: Values, style: _TileStyle, *, title: str, subtitle: str, caption: str) -> str:
    assert before.shape == after.shape, (before.shape, after.shape)
    before, after = (np.asarray(values, dtype=np.float64) for values in (before, after))
    difference = after - before
    scale = common_scale(before, after, difference)
    factor = _magnification(difference, scale)
    times = format_integer(factor)
    name = "difference" if factor == 1 else f"difference × {times}"
    panels = {"before": before, "after": after, name: factor * difference}
    scale_note = "The scale is the same in all panels; rms is the root mean square of a weight."
    if factor > 1:
        scale_note += f" The difference is shown {times} times as strong as it is; its rms is that of the weights."
    canvas = Canvas()
    y = canvas.heading(title, subtitle) + _TITLE_SIZE
    x, bottom = MARGIN, y
    remarks = [f"rms {_rms(values)}" for values in (before, after, difference)]
    for (name, values), remark in zip(panels.items(), remarks, strict=True):
        width, bottom = _draw_panel(canvas, name, remark, style.pixels(values, scale), style.between, x, y)
        x += width + _PANEL_GAP
    right, bottom = _draw_scale(canvas, style, scale, bottom + 16)
    marked = "" if all(np.isfinite(values).all() for values in panels.values()) else f" {_NO_NUMBERS}"
    return canvas.page(title, subtitle, bottom, max(right, x - _PANEL_GAP), (), f"{caption}{marked} {scale_note}")


def _magnification(difference: Values, scale: float) -> int:
    """Return the largest of 1, 2, 5, 10, 20, … by which the difference can be magnified and still fit the scale.

    After a short training, weights differ little: on the scale of the weights the difference can be invisible.
    """
    room = scale / common_scale(difference) if np.any(difference[np.isfinite(difference)]) else 1.0
    steps = (digit * 10**power for power in range(_MOST_DIGITS) for digit in (1, 2, 5))
    return max((step for step in steps if step <= room), default=1)


def _draw_panel(
    canvas: Canvas, name: str, remark: str, tiles: Pixels, between: int, x: float, y: float
) -> tuple[float, float]:
    """Draw one panel of tiles below its name; return its width and its lower end."""
    columns = _columns(len(tiles))
    pixels = tiled(tiles, columns, _enlargement(tiles, columns), _GAP, between)
    height, width = pixels.shape[:2]
    canvas.begin("panel", f"{name}, {remark}")
    canvas.text(x, y, name, _TITLE_SIZE, bold=True, remark=remark)
    draw_pixels(canvas, pixels, x - _GAP, y + 8 - _GAP, width, height)
    canvas.end()
    label = text_width(name, _TITLE_SIZE, bold=True) + _TITLE_SIZE + text_width(remark, _TITLE_SIZE)
    return max(width, label), y + 8 + height


def _rms(values: Values) -> str:
    """Return the root mean square of the finite weights, with two digits."""
    finite = values[np.isfinite(values)]
    return f"{math.sqrt(np.sum(finite**2) / max(finite.size, 1)):#.2g}".rstrip(".")


def _draw_scale(canvas: Canvas, style: _TileStyle, scale: float, y: float) -> Point:
    """Draw the scale with labels at its ends and middle, and return its lower right corner."""
    width, height = _BAR
    draw_pixels(canvas, style.ramp(scale), MARGIN, y, width, height)
    canvas.rectangle(MARGIN, y, width, height, "none")
    y += height + 13
    end = format_figure(scale)
    canvas.text(MARGIN, y, f"−{end}", _TEXT_SIZE)
    canvas.text(MARGIN + width / 2, y, "0", _TEXT_SIZE, anchor="middle")
    canvas.text(MARGIN + width, y, f"+{end}", _TEXT_SIZE, anchor="end")
    right = MARGIN + width
    if style.ends:
        canvas.text(right + 14, y - 14, style.ends, _TEXT_SIZE, colour=THEME_FAINT)
        right += 14 + text_width(style.ends, _TEXT_SIZE)
    return right, y


def _columns(tiles: int) -> int:
    """Return the number of tiles per row: close to a square, without empty places where that is possible."""
    least = math.isqrt(max(tiles - 1, 0)) + 1
    return next((columns for columns in range(least, int(1.6 * least) + 1) if tiles % columns == 0), least)


def _enlargement(tiles: Pixels, columns: int) -> int:
    width: int = tiles.shape[2]
    return max(1, min(_LARGEST_SQUARE, (_PANEL // columns - _GAP) // width))


def _size(weight: Values) -> str:
    _, channels, height, width = weight.shape
    return f"{channels}x{height}x{width}"
