"""Published figures against computed ones.

A claim names a model (`a/b` is a ratio, `a-b` a difference, `name@10` ten classes), a layer or none (`*conv` is every
convolution, a block or a pattern such as `conv2*` the sum of its layers), a quantity, the figure as stated and the unit
of its last digit; `<1` states a bound. `weights` are parameters without biases; `depth` is the number of weight layers
on the longest path; `connections` are counted as LeNet-5's paper does: multiplications and biases of convolutions and
linear layers, inputs and a bias for each unit of trainable subsampling.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from math import floor
from typing import Literal

from archbench.analyze.claim_quantities import OF_LAYERS, OF_MODELS, Facts, Value, quantity_of
from archbench.analyze.shared_fields import shared_fields
from archbench.errors import InputError, nearest

Outcome = Literal["exact", "rounds", "close", "contradicts", "shown"]
CLOSE = Fraction(5, 100)

# Quantities that are compared as text, to the letter.
_SHAPES = ("kernel", "output_shape")
# A figure that begins with one of these is a bound.
_BOUNDS = ("<", ">")
# The quantity that is shown and never judged.
_REPORTED = "top5_error_percent"


@dataclass(frozen=True, slots=True)
class Claim:
    """A figure as published; `precision` is empty for shapes, kernels and bounds."""

    id: str
    source: str
    model: str
    layer: str
    quantity: str
    claimed: str
    precision: str
    note: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim beside the computed figure; `verdict` is `shown` for reported errors, which are never judged."""

    id: str
    source: str
    model: str
    layer: str
    quantity: str
    claimed: str
    computed: int | float | str | None
    verdict: Outcome
    note: str


def read_claims(text: str, name: str) -> list[Claim]:
    """Return the claims in a CSV text whose header has the fields of Claim. Raises InputError naming file and line."""
    expected = [field.name for field in fields(Claim)]
    reader = csv.DictReader(text.splitlines())
    if reader.fieldnames != expected:
        raise InputError(f"'{name}' is not a file of claims; its first line must be {','.join(expected)}")
    claims = []
    for row in reader:
        if None in row.values() or None in row:
            raise InputError(f"'{name}', line {reader.line_num}: a claim has {len(expected)} fields")
        claims.append(Claim(**row))
        _check(claims[-1], f"'{name}', line {reader.line_num}")
    return claims


def models_of(claim: Claim) -> list[str]:
    """Return the models that a claim is about, one or two."""
    separator = _separator(claim)
    return claim.model.split(separator) if separator else [claim.model]


def judge(claim: Claim, facts: Mapping[str, Facts]) -> Judged:
    """Return the verdict on a claim from the facts of its models.

    Raises InputError for a layer that is not there, or a ratio to 0.
    """
    if claim.quantity == _REPORTED:
        return _judged(claim, facts[claim.model].top5_error_percent, "shown")
    computed = _compute(claim, facts)
    if isinstance(computed, str):
        return _judged(claim, computed, "exact" if computed == claim.claimed else "contradicts")
    if claim.claimed[:1] in _BOUNDS:
        return _judged(claim, _plain(computed), "exact" if _holds(claim.claimed, computed) else "contradicts")
    return _judged(claim, _plain(computed), _compare(Fraction(claim.claimed), computed, Fraction(claim.precision)))


def _judged(claim: Claim, computed: int | float | str | None, verdict: Outcome) -> Judged:
    return Judged(**shared_fields(claim, Judged), computed=computed, verdict=verdict)


def _plain(value: int | Fraction) -> int | float:
    return int(value) if value == int(value) else float(value)


def _holds(bound: str, computed: int | Fraction) -> bool:
    limit = Fraction(bound[1:])
    return computed < limit if bound[0] == "<" else computed > limit


def _compare(claimed: Fraction, computed: int | Fraction, precision: Fraction) -> Outcome:
    """Return the verdict: equal, equal at the stated precision (rounded or truncated), within 5%, or contradicted."""
    true = Fraction(computed)
    if claimed == true:
        return "exact"
    steps = true / precision
    if claimed / precision in (floor(steps + Fraction(1, 2)), floor(steps)):
        return "rounds"
    return "close" if abs(claimed - true) <= CLOSE * abs(true) else "contradicts"


def _separator(claim: Claim) -> str:
    return "/" if claim.quantity.endswith("_ratio") else "-" if claim.quantity.endswith("_difference") else ""


def _base(claim: Claim) -> str:
    return claim.quantity.removesuffix("_ratio").removesuffix("_difference")


def _compute(claim: Claim, facts: Mapping[str, Facts]) -> Value:
    values = [quantity_of(_base(claim), claim.layer, model, facts[model]) for model in models_of(claim)]
    if len(values) == 1:
        return values[0]
    first, second = (Fraction(value) for value in values)
    if _separator(claim) == "-":
        return first - second
    if second == 0:
        what = f"{_base(claim)} of {models_of(claim)[1]}"
        raise InputError(f"claim '{claim.id}': {what} is 0, so that the ratio is undefined")
    return first / second


def _known(claim: Claim) -> list[str]:
    """Return the quantities known for a claim's layer or model; a ratio or difference needs two computed numbers."""
    own = OF_LAYERS if claim.layer else [*OF_MODELS, "depth"]
    names = ["output_shape"] if claim.layer == "input" else [*own, _REPORTED]
    if not _separator(claim):
        return names
    return [] if claim.layer == "*conv" else [name for name in names if name not in (*_SHAPES, _REPORTED)]


def _check(claim: Claim, where: str) -> None:
    """Raise InputError for an unknown quantity or a malformed number."""
    known = _known(claim)
    if _base(claim) not in known:
        of_layer = f" of '{claim.layer}'" if claim.layer else ""
        raise InputError(f"{where}: there is no quantity '{claim.quantity}'{of_layer}{nearest(_base(claim), known)}")
    separator = _separator(claim)
    if separator and len(models_of(claim)) != 2:
        raise InputError(f"{where}: '{claim.quantity}' needs two models, written a{separator}b")
    if _base(claim) in (*_SHAPES, _REPORTED):
        return
    is_bound = claim.claimed[:1] in _BOUNDS
    if not claim.precision and not is_bound:
        raise InputError(f"{where}: '{claim.quantity}' needs the precision of its figure")
    for number in (claim.claimed[1:],) if is_bound else (claim.claimed, claim.precision):
        try:
            Fraction(number)
        except (ValueError, ZeroDivisionError) as error:  # the latter for 1/0
            raise InputError(f"{where}: '{number}' is not a number") from error
    if not is_bound and Fraction(claim.precision) <= 0:
        raise InputError(f"{where}: the precision '{claim.precision}' is not above 0")
