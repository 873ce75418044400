"""Kinds of layers in charts: what a layer does, by the name of its type, with one colour and one shape each."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from archbench.reporting.drawings.palette import COLOURS

if TYPE_CHECKING:
    import altair as alt

# Word of the legend -> colour and shape; the colours are those of the drawings.
_LOOKS = {
    "convolution": (COLOURS["convolution"][0], "circle"),
    "fully connected": (COLOURS["dense"][0], "square"),
    "pooling": (COLOURS["pooling"][0], "triangle-up"),
    "normalisation": ("#d55e00", "diamond"),
    "other": (COLOURS["other"][0], "cross"),
}
_WORDS = {"conv": "convolution", "linear": "fully connected", "pool": "pooling", "norm": "normalisation"}


def kind_of(type_name: str) -> str:
    """Return what a layer of that type does: `Conv2d` is a convolution, `BatchNorm2d` a normalisation."""
    lowered = type_name.lower()
    return next((kind for part, kind in _WORDS.items() if part in lowered), "other")


def kind_colour(kinds: Collection[str], **more: Any) -> alt.Color:
    """Return the colour of each kind; the legend has those that are there."""
    import altair as alt

    names = [name for name in _LOOKS if name in kinds]
    scale = alt.Scale(domain=names, range=[_LOOKS[name][0] for name in names])
    return alt.Color("kind:N", title="Kind of layer", scale=scale, **more)


def kind_shape(kinds: Collection[str], **more: Any) -> alt.Shape:
    """Return the shape of each kind, which tells it apart where there is no colour."""
    import altair as alt

    names = [name for name in _LOOKS if name in kinds]
    scale = alt.Scale(domain=names, range=[_LOOKS[name][1] for name in names])
    return alt.Shape("kind:N", title="Kind of layer", scale=scale, **more)
