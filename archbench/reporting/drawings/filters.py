"""What training made of filters: the weights of a convolution before, after, and the difference, on one scale.

The first layer's filters see colours, so each is a small picture of the colours that it answers to (Krizhevsky,
Sutskever, Hinton 2012, figure 3). Deeper kernels see many maps: mixed into one picture they would show what is not
there, so one kernel is shown as its slices, one an input map.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from archbench.reporting.drawings.canvas import FAINT, MARGIN, Canvas, Point, text_width
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

_PANEL = 300  # about how wide a panel becomes
_LARGEST_SQUARE = 20  # of one weight
_GAP = 2
_PANEL_GAP = 28.0
_TITLE_SIZE = 13.0
_TEXT_SIZE = 11.0
_BAR = (240.0, 12.0)
_MOST_DIGITS = 6  # of a magnification; what is smaller still is rounding
_NO_NUMBERS = "Magenta marks what is no finite number."


@dataclass(frozen=True, slots=True)
class Convolution:
    """The weights of one convolution: filters, input channels a group, height, width."""

    name: str
    weight: Values


@dataclass(frozen=True, slots=True)
class _Look:
    """How tiles are drawn: as what colours, with what grey between them, and what the scale's ends mean."""

    kind: str
    between: int
    low: str
    high: str

    def pixels(self, values: Values, scale: float) -> Pixels:
        if self.kind == "colours":
            return in_colours(values, scale)
        return (in_grey if self.kind == "grey" else diverging)(values, scale)

    def ramp(self, scale: float) -> Pixels:
        """Return the scale from its low end to its high one, a single row of pixels."""
        values = np.linspace(-scale, scale, 121)[None]
        return diverging(values, scale) if self.kind == "diverging" else in_grey(values, scale)


_COLOURS = _Look("colours", 255, "none of a colour", "all of it")
_GREY = _Look("grey", 255, "black", "white")
_DIVERGING = _Look("diverging", 170, "blue", "red")


def convolutions(state: Mapping[str, Any]) -> list[Convolution]:
    """Return the convolutions of a model's state, in the order in which they were registered.

    A convolution is a `weight` of four dimensions. In every model of the zoo, registration is the order of execution.
    """
    weights = [
        (name, tensor)
        for name, tensor in state.items()
        if name.rpartition(".")[2] == "weight" and tensor.ndim == 4 and tensor.is_floating_point()
    ]
    return [
        Convolution(name.rpartition(".")[0] or name, tensor.detach().cpu().double().numpy()) for name, tensor in weights
    ]


def filter_pictures(
    before: Mapping[str, Any], after: Mapping[str, Any], *, model: str, subtitle: str
) -> dict[str, str]:
    """Return the pictures of a model's first two convolutions as SVG by the layers' names, from two of its states.

    The first layer is shown as a grid of its filters, of the second the slices of its first kernel. A layer that the
    earlier state does not have is left out.
    """
    earlier = {layer.name: layer.weight for layer in convolutions(before)}
    return {
        layer.name: draw(earlier[layer.name], layer.weight, title=f"{model}: {layer.name}", subtitle=subtitle)
        for draw, layer in zip((filter_grid, kernel_slices), convolutions(after), strict=False)
        if layer.name in earlier
    }


def filter_grid(before: Values, after: Values, *, title: str, subtitle: str, caption: str = "") -> str:
    """Return all filters of a first layer as SVG: weights (filters, channels, height, width) before and after.

    Three channels become red, green and blue, one becomes grey. Any other number has no colours of its own: then the
    first kernel's slices are shown instead.
    """
    filters, channels, *_ = before.shape
    if channels not in (1, 3):
        return kernel_slices(before, after, title=title, subtitle=subtitle, caption=caption)
    look = _GREY if channels == 1 else _COLOURS
    meaning = "" if channels == 1 else " A pixel's red, green and blue are the three weights at its place."
    said = f"{several(filters, 'filter')} of {_size(before)}.{meaning}"
    tiles = (_as_images(before), _as_images(after))
    return _panels(*tiles, look, title=title, subtitle=subtitle, caption=f"{said} {caption}".strip())


def kernel_slices(
    before: Values, after: Values, kernel: int = 0, *, title: str, subtitle: str, caption: str = ""
) -> str:
    """Return one kernel as SVG, a tile for each map that it sees: weights (filters, channels, height, width)."""
    kernels, slices, *_ = before.shape
    said = (
        f"Kernel {format_integer(kernel + 1)} of {format_integer(kernels)}: its {several(slices, 'slice')} of"
        f" {before.shape[3]}×{before.shape[2]}, one for each map that it sees."
    )
    tiles = (before[kernel], after[kernel])
    return _panels(*tiles, _DIVERGING, title=title, subtitle=subtitle, caption=f"{said} {caption}".strip())


def _as_images(weight: Values) -> Values:
    """Return the filters with their channels last; a single channel has no axis."""
    return weight[:, 0] if weight.shape[1] == 1 else weight.transpose(0, 2, 3, 1)


def _panels(before: Values, after: Values, look: _Look, *, title: str, subtitle: str, caption: str) -> str:
    assert before.shape == after.shape, (before.shape, after.shape)
    before, after = (np.asarray(values, dtype=np.float64) for values in (before, after))
    panels = {"before": before, "after": after, "difference": after - before}
    scale = common_scale(*panels.values())
    factor = _magnification(panels["difference"], scale)
    said = "The scale is the same in all panels; rms is the root mean square of a weight."
    if factor > 1:
        panels[f"difference × {format_integer(factor)}"] = factor * panels["difference"]
        said = f"{said} The difference is shown once more, {format_integer(factor)} times as strong."
    canvas = Canvas()
    y = canvas.heading(title, subtitle) + _TITLE_SIZE
    x, bottom = MARGIN, y
    for name, values in panels.items():
        width, bottom = _draw_panel(canvas, name, values, look, scale, x, y)
        x += width + _PANEL_GAP
    right, bottom = _draw_scale(canvas, look, scale, bottom + 16)
    marked = "" if all(np.isfinite(values).all() for values in panels.values()) else f" {_NO_NUMBERS}"
    return canvas.page(title, subtitle, bottom, max(right, x - _PANEL_GAP), (), f"{caption}{marked} {said}")


def _magnification(difference: Values, scale: float) -> int:
    """Return by how much the difference can be magnified and still be on the scale: 1, 2, 5, 10, 20 and so on.

    A short training moves a weight by a part of what it was; on the weights' own scale that may be no colour at all.
    """
    room = scale / common_scale(difference) if np.any(difference[np.isfinite(difference)]) else 1.0
    steps = (digit * 10**power for power in range(_MOST_DIGITS) for digit in (1, 2, 5))
    return max((step for step in steps if step <= room), default=1)


def _draw_panel(
    canvas: Canvas, name: str, values: Values, look: _Look, scale: float, x: float, y: float
) -> tuple[float, float]:
    """Draw one panel under its name; return how wide both are and where they end."""
    columns = _columns(len(values))
    pixels = tiled(look.pixels(values, scale), columns, _enlargement(values, columns), _GAP, look.between)
    height, width = pixels.shape[:2]
    remark = "" if "×" in name else f"rms {_rms(values)}"
    canvas.begin("panel", f"{name}, {remark}" if remark else name)
    canvas.text(x, y, name, _TITLE_SIZE, bold=True, remark=remark)
    draw_pixels(canvas, pixels, x - _GAP, y + 8 - _GAP, width, height)
    canvas.end()
    label = text_width(name, _TITLE_SIZE, bold=True) + _TITLE_SIZE + text_width(remark, _TITLE_SIZE)
    return max(width, label), y + 8 + height


def _rms(values: Values) -> str:
    """Return the root mean square of all finite weights with two digits."""
    finite = values[np.isfinite(values)]
    return f"{math.sqrt(np.sum(finite**2) / max(finite.size, 1)):#.2g}".rstrip(".")


def _draw_scale(canvas: Canvas, look: _Look, scale: float, y: float) -> Point:
    """Draw the scale with its ends and its middle, and return its lower right corner."""
    width, height = _BAR
    draw_pixels(canvas, look.ramp(scale), MARGIN, y, width, height)
    canvas.rectangle(MARGIN, y, width, height, "none")
    y += height + 13
    end = format_figure(scale)
    canvas.text(MARGIN, y, f"−{end}", _TEXT_SIZE)
    canvas.text(MARGIN + width / 2, y, "0", _TEXT_SIZE, anchor="middle")
    canvas.text(MARGIN + width, y, f"+{end}", _TEXT_SIZE, anchor="end")
    words = f"±{end}: −{end} is {look.low}, +{end} {look.high}"
    canvas.text(MARGIN + width + 14, y - 14, words, _TEXT_SIZE, colour=FAINT)
    return MARGIN + width + 14 + text_width(words, _TEXT_SIZE), y


def _columns(tiles: int) -> int:
    """Return how many tiles stand in a row: as square as can be, and without empty places where that is not far off."""
    least = math.isqrt(max(tiles - 1, 0)) + 1
    return next((columns for columns in range(least, int(1.6 * least) + 1) if tiles % columns == 0), least)


def _enlargement(values: Values, columns: int) -> int:
    width: int = values.shape[2]
    return max(1, min(_LARGEST_SQUARE, (_PANEL // columns - _GAP) // width))


def _size(weight: Values) -> str:
    _, channels, height, width = weight.shape
    return f"{width}×{height}×{channels}"
