"""Counts that carry the formula they were evaluated from, so that the number and its explanation cannot differ.

A formula is arithmetic as people write it, with the names of its quantities in braces: `({k} − 1)·{o}`. It may use
`+ − · /`, parentheses, the brackets that round down `⌊ ⌋` or up `⌈ ⌉`, and `max(, )`; a division is exact. A quantity
with several sizes, such as a window or a shape, is a tuple and stands for the product of its sizes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from math import ceil, floor, prod
from typing import Any

Value = int | Fraction | tuple[int, ...]

_PYTHON = str.maketrans({"·": "*", "−": "-", "⌊": "floor(", "⌋": ")", "⌈": "ceil(", "⌉": ")", "{": "number(", "}": ")"})
_COMPILED: dict[str, Callable[..., Any]] = {}


class Count(int):
    """An integer with the `formula` and the named `values` that gave it."""

    formula: str
    values: Mapping[str, Value]


def count(formula: str, /, **values: Value) -> Count:
    """Evaluate a formula, whose result is an integer, and return it with the formula and the values."""
    result = Count(evaluate(formula, values))
    result.formula, result.values = formula, values
    return result


def evaluate(formula: str, values: Mapping[str, Value]) -> int | Fraction:
    """Return the result of a formula for these values."""
    function = _COMPILED.get(formula) or _compile(formula)
    result: int | Fraction = function(**values)
    return result


def _compile(formula: str) -> Callable[..., Any]:
    """Return the function of its named quantities that a formula describes."""
    names = ", ".join(dict.fromkeys(re.findall(r"\{(\w+)\}", formula)))
    number = _exact if "/" in formula else _number
    scope = {"number": number, "floor": floor, "ceil": ceil, "max": max}
    function: Callable[..., Any] = eval(f"lambda {names}: {formula.translate(_PYTHON)}", scope)
    _COMPILED[formula] = function
    return function


def _number(value: Value) -> int | Fraction:
    return prod(value) if isinstance(value, tuple) else value


def _exact(value: Value) -> Fraction:
    return Fraction(_number(value))
