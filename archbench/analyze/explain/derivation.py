"""Derivations: a formula, the values substituted into it, and the result."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from archbench.trace.costs.symbolic import Value, evaluate

Term = tuple[str, Mapping[str, Value]]  # a formula and its values
MOST_TERMS = 6  # of a sum that is still readable


@dataclass(frozen=True, slots=True)
class Derivation:
    """`symbol` = `formula` = `result`. The formula is written as in `archbench.trace.costs.symbolic`."""

    symbol: str
    formula: str
    values: Mapping[str, Value]
    result: int | Fraction


@dataclass(frozen=True, slots=True)
class Remark:
    """A statement about a layer; `values` are the numbers and names in its sentence."""

    kind: Literal[
        "filters", "groups", "partial", "convolution", "positions", "adaptive", "covers", "idle", "foreign", "rule",
        "unlike", "repeated",
        "recurrent", "projection", "joins", "reductions", "pooled", "bottleneck",
    ]  # fmt: skip
    values: Mapping[str, Any]


def derive(symbol: str, formula: str, /, **values: Value) -> Derivation:
    """Evaluate a formula for the values."""
    return Derivation(symbol, formula, values, evaluate(formula, values))


def product_of(symbol: str, **values: Value) -> Derivation:
    """Return the product of all values."""
    return derive(symbol, "·".join(f"{{{name}}}" for name in values), **values)


def sum_of(symbol: str, **values: Value) -> Derivation:
    """Return the sum of all values."""
    return derive(symbol, " + ".join(f"{{{name}}}" for name in values), **values)


def sum_of_formulas(symbol: str, terms: Sequence[Term]) -> Derivation:
    """Return the sum of formulas; if there are several, each name gets the number of its formula."""
    if len(terms) == 1:
        return derive(symbol, terms[0][0], **terms[0][1])
    formulas = [re.sub(r"\{(\w+)\}", rf"{{\g<1>{i}}}", formula) for i, (formula, _) in enumerate(terms, start=1)]
    values = {f"{name}{i}": value for i, (_, own) in enumerate(terms, start=1) for name, value in own.items()}
    return derive(symbol, " + ".join(formulas), **values)


def sum_over_calls(symbol: str, shapes: Sequence[tuple[int, ...]]) -> Iterator[Derivation]:
    """Yield the sum of one product per call unless it has no or too many terms; a batch of one is not a factor."""
    if 0 < len(shapes) <= MOST_TERMS:
        terms = (shape[1:] if len(shape) > 1 and shape[0] == 1 else shape for shape in shapes)
        yield sum_of(symbol, **{f"o{i}": term for i, term in enumerate(terms, start=1)})


def checked(symbol: str, traced: int, candidates: Iterable[Derivation]) -> Derivation | Remark:
    """Return the first derivation that gives the traced figure, or a remark if there is none."""
    fitting = (candidate for candidate in candidates if candidate.result == traced)
    return next(fitting, Remark("unlike", {"quantity": symbol, "traced": traced}))
