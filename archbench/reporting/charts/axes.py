"""Ticks of axes and their labels; the data stays in bytes, seconds and plain numbers.

Vega formats the numbers of an axis itself: the expressions here follow `archbench.units`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import Any

import altair as alt

from archbench.units import TIME_UNITS, binary_unit

_TICKS = 5
_LEAST_STEPS = 3
_MOST_LOG_TICKS = 10

# Vega's SI prefix, but a capital K as `format_count` has it.
COUNT_LABELS = "replace(format(datum.value, '~s'), 'k', 'K')"
_MINUTES = (1, 2, 5, 10, 20, 30)
_HOURS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def count_axis(title: str, **more: Any) -> alt.Axis:
    """Return an axis of counts: 10K, 10M, 10G."""
    return alt.Axis(title=title, labelExpr=COUNT_LABELS, **more)


def log_count_axis(title: str, low: float, high: float) -> alt.Axis:
    """Return a logarithmic axis of counts with few enough labels to read."""
    return count_axis(title, values=log_ticks(low, high))


def log_axis(title: str, low: float, high: float) -> alt.Axis:
    """Return a logarithmic axis of plain numbers: 0.1, 1, 10."""
    return alt.Axis(title=title, values=log_ticks(low, high), format=",~g")


def percent_axis(title: str, **more: Any) -> alt.Axis:
    """Return an axis of fractions, shown as percentages."""
    return alt.Axis(title=title, format=".0%", **more)


def bytes_axis(title: str, most_bytes: float) -> alt.Axis:
    """Return an axis of bytes in the binary unit of the largest value."""
    unit, size = binary_unit(most_bytes)
    step = nice_step(most_bytes / size / _TICKS)
    if most_bytes / size / step < _LEAST_STEPS:
        step = nice_step(step / 2.5)
    ticks = [i * step * size for i in range(floor(most_bytes / size / step) + 2)]
    return alt.Axis(title=f"{title} ({unit})", values=ticks, labelExpr=f"format(datum.value / {size}, ',~g')")


def log_time_axis(title: str | None, low_s: float, high_s: float, **more: Any) -> alt.Axis:
    """Return a logarithmic axis of seconds, each label with its own unit: 10 ms, 5 s, 2 min."""
    return alt.Axis(title=title, values=time_ticks(low_s, high_s), labelExpr=_time_labels(), **more)


def time_axis(title: str | None, **more: Any) -> alt.Axis:
    """Return an axis of seconds, each label with its own unit."""
    return alt.Axis(title=title, labelExpr=_time_labels(), **more)


def _time_labels() -> str:
    """Return a Vega expression that writes seconds in the units of `format_time`, up to hours."""
    *units, (shortest, shortest_s) = (unit for unit in TIME_UNITS if unit[0] != "d")
    choices = (f"datum.value >= {size_s} ? format(datum.value / {size_s}, ',~g') + ' {unit}'" for unit, size_s in units)
    return " : ".join((*choices, f"format(datum.value / {shortest_s}, ',~g') + ' {shortest}'"))


def nice_step(rough: float) -> float:
    """Return the smallest 1, 2 or 5 times a power of ten that is not below a step."""
    power = 10.0 ** floor(log10(rough)) if rough > 0 else 1.0
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))


def log_ticks(low: float, high: float) -> list[float]:
    """Return ticks between two positive numbers: powers of ten, and 2 and 5 times them where that is at most ten ticks.

    A range that has none of these gets other digits times a power of ten.
    """
    powers = [10.0**power for power in range(floor(log10(low)), ceil(log10(high)) + 1)]
    finest, fine, coarse = (
        [power * factor for power in powers for factor in factors if low <= power * factor <= high]
        for factors in (range(1, 10), (1, 2, 5), (1,))
    )
    if not fine:
        return finest
    return fine if len(fine) <= _MOST_LOG_TICKS else coarse[:: ceil(len(coarse) / _MOST_LOG_TICKS)]


def time_ticks(low_s: float, high_s: float) -> list[float]:
    """Return ticks between two positive times, round in the unit of their label."""
    # A label at 50 s would cover the one at 1 min.
    short = [tick for tick in log_ticks(low_s, min(high_s, 49.0)) if tick < 50] if low_s < 49 else []
    long = [60.0 * n for n in _MINUTES] + [3600.0 * n for n in _HOURS]
    ticks = short + [tick for tick in long if low_s <= tick <= high_s]
    return ticks[:: max(1, ceil(len(ticks) / _MOST_LOG_TICKS))]


def log_domain(numbers: Sequence[float], room: float = 0.08, decades: float = 0.3) -> tuple[float, float]:
    """Return the bounds of a logarithmic axis for positive numbers: room at both ends, and so many decades at least."""
    low, high = log10(min(numbers)), log10(max(numbers))
    spare = max(room * (high - low), 0.15, (decades - (high - low)) / 2)
    return float(10 ** (low - spare)), float(10 ** (high + spare))


def fraction_domain(numbers: Sequence[float]) -> tuple[float, float]:
    """Return the bounds of an axis of fractions, with room at both ends."""
    room = 0.15 * max(max(numbers) - min(numbers), 0.02)
    return max(0.0, min(numbers) - room), min(1.02, max(numbers) + room)


def is_near(level: float, numbers: Sequence[float]) -> bool:
    """Return whether a level below numbers is near enough to be on their axis without squeezing them together."""
    return min(numbers) - level <= max(0.05, max(numbers) - min(numbers))
