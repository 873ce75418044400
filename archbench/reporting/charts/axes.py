"""Axes that write base units as people read them; the data below them stays in bytes, seconds and plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair as alt

_BYTES = (("B", 1.0), ("KiB", 2.0**10), ("MiB", 2.0**20), ("GiB", 2.0**30), ("TiB", 2.0**40))
_TICKS = 5
_MOST_LOG_TICKS = 10

# A decimal prefix, capital as everywhere in the project.
COUNT_LABELS = "replace(format(datum.value, '~s'), 'k', 'K')"
# The unit that `archbench.units.format_time` takes, too.
TIME_LABELS = (
    "datum.value >= 3600 ? format(datum.value / 3600, ',~g') + ' h'"
    " : datum.value >= 60 ? format(datum.value / 60, '~g') + ' min'"
    " : datum.value >= 1 ? format(datum.value, '~g') + ' s'"
    " : datum.value >= 1e-3 ? format(datum.value * 1e3, '~g') + ' ms'"
    " : format(datum.value * 1e6, '~g') + ' µs'"
)
_MINUTES = (1, 2, 5, 10, 20, 30)
_HOURS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def count_axis(title: str, **more: Any) -> alt.Axis:
    """Return an axis of counts: 10K, 10M, 10G."""
    import altair as alt

    return alt.Axis(title=title, labelExpr=COUNT_LABELS, **more)


def log_count_axis(title: str, low: float, high: float) -> alt.Axis:
    """Return a logarithmic axis of counts with labels that never crowd."""
    return count_axis(title, values=log_ticks(low, high))


def log_axis(title: str, low: float, high: float) -> alt.Axis:
    """Return a logarithmic axis of plain numbers: 0.1, 1, 10."""
    import altair as alt

    return alt.Axis(title=title, values=log_ticks(low, high), format=",~g")


def percent_axis(title: str, **more: Any) -> alt.Axis:
    """Return an axis of fractions, written as percentages."""
    import altair as alt

    return alt.Axis(title=title, format=".0%", **more)


def bytes_axis(title: str, most_bytes: float) -> alt.Axis:
    """Return an axis of bytes in the binary unit that suits the largest of them."""
    import altair as alt

    unit, size = max((each for each in _BYTES if each[1] <= most_bytes), key=lambda each: each[1], default=_BYTES[0])
    step = nice_step(most_bytes / size / _TICKS)
    ticks = [i * step * size for i in range(floor(most_bytes / size / step) + 2)]
    return alt.Axis(title=f"{title} ({unit})", values=ticks, labelExpr=f"format(datum.value / {size!r}, ',~g')")


def log_time_axis(title: str, low_s: float, high_s: float, **more: Any) -> alt.Axis:
    """Return a logarithmic axis of seconds, each label with the unit that suits it."""
    import altair as alt

    return alt.Axis(title=title, values=time_ticks(low_s, high_s), labelExpr=TIME_LABELS, **more)


def nice_step(rough: float) -> float:
    """Return the 1, 2 or 5 times a power of ten that is next above a step."""
    power = 10.0 ** floor(log10(rough)) if rough > 0 else 1.0
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))


def log_ticks(low: float, high: float) -> list[float]:
    """Return powers of ten between two positive numbers, where they are few with 2 and 5 times them.

    Where there are none of these, other digits times a power of ten take their places.
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
    """Return round times between two positive ones, round in the unit that they are written in."""
    # 50 s would stand on top of 1 min.
    short = [tick for tick in log_ticks(low_s, min(high_s, 49.0)) if tick < 50] if low_s < 49 else []
    long = [60.0 * n for n in _MINUTES] + [3600.0 * n for n in _HOURS]
    ticks = short + [tick for tick in long if low_s <= tick <= high_s]
    return ticks[:: max(1, ceil(len(ticks) / _MOST_LOG_TICKS))]


def log_domain(numbers: Sequence[float], room: float = 0.08) -> tuple[float, float]:
    """Return bounds of a logarithmic axis that leave some of it free on both sides."""
    low, high = log10(min(numbers)), log10(max(numbers))
    spare = max(room * (high - low), 0.15)
    return float(10 ** (low - spare)), float(10 ** (high + spare))
