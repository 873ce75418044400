"""Categories of layers by the name of their type, with a colour and a shape each."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import altair as alt

from archbench.reporting.drawings.palette import COLOURS

# Category -> colour, as in the drawings, and shape.
_STYLES = {
    "convolution": (COLOURS["convolution"][0], "circle"),
    "fully connected": (COLOURS["dense"][0], "square"),
    "pooling": (COLOURS["pooling"][0], "triangle-up"),
    "normalisation": ("#d55e00", "diamond"),
    "other": (COLOURS["other"][0], "cross"),
}
_CATEGORIES = {"conv": "convolution", "linear": "fully connected", "pool": "pooling", "norm": "normalisation"}


def category_of(type_name: str) -> str:
    """Return the category of a type of layer: `Conv2d` -> `convolution`, `BatchNorm2d` -> `normalisation`."""
    lowered = type_name.lower()
    return next((category for part, category in _CATEGORIES.items() if part in lowered), "other")


def category_colour(categories: Collection[str], **more: Any) -> alt.Color:
    """Return the colour encoding; its legend has the given categories."""
    names = [name for name in _STYLES if name in categories]
    scale = alt.Scale(domain=names, range=[_STYLES[name][0] for name in names])
    return alt.Color("category:N", title="Kind of layer", scale=scale, **more)


def category_shape(categories: Collection[str], **more: Any) -> alt.Shape:
    """Return the shape encoding, for readers who cannot tell the colours apart."""
    names = [name for name in _STYLES if name in categories]
    scale = alt.Scale(domain=names, range=[_STYLES[name][1] for name in names])
    return alt.Shape("category:N", title="Kind of layer", scale=scale, **more)
