"""What a derivation is and how one is made: a formula, the values put into it, the result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any, Literal

Value = int | Fraction | tuple[int, ...]
MOST_TERMS = 6  # of a sum that is still readable


@dataclass(frozen=True, slots=True)
class Derivation:
    """`symbol` = `formula` = `result`. The formula names its values in braces; a tuple stands for a product."""

    symbol: str
    formula: str
    values: Mapping[str, Value]
    result: int | Fraction


@dataclass(frozen=True, slots=True)
class Remark:
    """What is said in words about a layer; `values` are the numbers and names in it."""

    kind: Literal[
        "filters", "groups", "partial", "convolution", "positions", "adaptive", "covers", "idle", "foreign", "unlike"
    ]
    values: Mapping[str, Any]


def derive(symbol: str, formula: str, compute: Callable[..., Any], **values: Value) -> Derivation:
    """Return a derivation whose result `compute` makes of the values, each tuple of which is multiplied first."""
    numbers = {name: prod(value) if isinstance(value, tuple) else value for name, value in values.items()}
    return Derivation(symbol, formula, values, compute(**numbers))


def product_of(symbol: str, **values: Value) -> Derivation:
    """Return the product of all values."""
    return derive(
        symbol, "·".join(f"{{{name}}}" for name in values), lambda **numbers: prod(numbers.values()), **values
    )


def sum_of(symbol: str, **values: Value) -> Derivation:
    """Return the sum of all values."""
    return derive(
        symbol, " + ".join(f"{{{name}}}" for name in values), lambda **numbers: sum(numbers.values()), **values
    )


def sum_over_calls(symbol: str, shapes: Sequence[tuple[int, ...]]) -> Iterator[Derivation]:
    """Return a sum of products, one a call, if it is a readable one; a batch of one is no factor."""
    if len(shapes) <= MOST_TERMS:
        terms = (shape[1:] if len(shape) > 1 and shape[0] == 1 else shape for shape in shapes)
        yield sum_of(symbol, **{f"o{i}": term for i, term in enumerate(terms, start=1)})


def checked(symbol: str, traced: int, candidates: Iterable[Derivation]) -> Derivation | Remark:
    """Return the first derivation that gives the traced figure, else a remark that none does."""
    fitting = (candidate for candidate in candidates if candidate.result == traced)
    return next(fitting, Remark("unlike", {"quantity": symbol, "traced": traced}))
