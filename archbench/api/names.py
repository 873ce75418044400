"""Names of models in results that have one entry per model."""

from __future__ import annotations

from collections.abc import Container
from itertools import chain, count


def unique_name(name: str, taken: Container[str]) -> str:
    """Return a name, numbered if it is taken: modules of one class share theirs."""
    numbered = (f"{name} ({number})" for number in count(2))
    return next(each for each in chain([name], numbered) if each not in taken)
