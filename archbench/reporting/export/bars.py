"""Bars that show a column's shares, for terminals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

LEAST_BAR = 12
_LONGEST_BAR = 24
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def can_show_bars(encoding: str) -> bool:
    """Return whether an encoding has the blocks that bars are drawn with."""
    try:
        _EIGHTHS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def bars(rows: Sequence[Mapping[str, Any]], field: str, width: int) -> list[str]:
    """Return a bar for each row, at most `width` cells long; the longest is that of the largest value."""
    values = [row.get(field) or 0 for row in rows]
    return list(_bars(values, min(width, _LONGEST_BAR)))


def _bars(values: Sequence[float], width: int) -> Iterator[str]:
    largest = max(values, default=0)
    for value in values:
        eighths = round(8 * width * value / largest) if largest else 0
        # A share that is not zero is never invisible.
        full, rest = divmod(max(eighths, 1 if value else 0), 8)
        yield _EIGHTHS[-1] * full + _EIGHTHS[rest].strip()
