"""Counted nouns and lists for sentences."""

from __future__ import annotations

from collections.abc import Sequence

from archbench.units import format_integer


def several(count: int, noun: str) -> str:
    """Return a number with its noun: `1 filter`, `2,048 filters`."""
    return f"{format_integer(count)} {noun}{'' if count == 1 else 's'}"


def listed(parts: Sequence[str]) -> str:
    """Join words for a sentence: `a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))
