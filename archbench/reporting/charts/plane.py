"""A plot's rectangle of pixels with linear or logarithmic axes: data to pixels and back, and axes for Altair."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Literal

import altair as alt


@dataclass(frozen=True, slots=True)
class Scale:
    """One dimension of a plane: the range of values, how Altair draws its axis, and whether it is logarithmic."""

    domain: tuple[float, float]
    axis: alt.Axis
    is_log: bool = False

    def fraction(self, value: float) -> float:
        """Return the position of a value: 0 at the low end, 1 at the high end."""
        low, high = self.domain
        return log(value / low) / log(high / low) if self.is_log else (value - low) / (high - low)

    def value(self, fraction: float) -> float:
        """Return the value at a position, the inverse of `fraction`."""
        low, high = self.domain
        return float(low * (high / low) ** fraction) if self.is_log else low + fraction * (high - low)

    def to_altair(self) -> alt.Scale:
        """Return the scale for Altair, with exactly this range."""
        # Without `zero`, a layer of the chart that has no scale of its own would extend the axis to 0.
        zero = alt.Undefined if self.is_log else False
        kind: Literal["log", "linear"] = "log" if self.is_log else "linear"
        return alt.Scale(type=kind, domain=list(self.domain), nice=False, zero=zero)


@dataclass(frozen=True, slots=True)
class Plane:
    """Two scales over a rectangle of pixels. Labels are placed in pixels, marks are drawn in values."""

    x: Scale
    y: Scale
    width: int
    height: int

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return the pixels of a point, from the upper left."""
        return self.width * self.x.fraction(x), self.height * (1 - self.y.fraction(y))

    def inverse(self, x: float, y: float) -> tuple[float, float]:
        """Return the values at a pixel."""
        return self.x.value(x / self.width), self.y.value(1 - y / self.height)

    def across(self, field: str) -> alt.X:
        """Return the horizontal encoding of a field."""
        return alt.X(f"{field}:Q", scale=self.x.to_altair(), axis=self.x.axis)

    def up(self, field: str) -> alt.Y:
        """Return the vertical encoding of a field."""
        return alt.Y(f"{field}:Q", scale=self.y.to_altair(), axis=self.y.axis)
