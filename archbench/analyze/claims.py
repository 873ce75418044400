"""Published figures against computed ones.

A claim names a model (`a/b` is a ratio, `a-b` a difference, `name@10` ten classes), a layer or none (`*conv` is every
convolution), a quantity, the figure as stated and the unit of its last digit. `weights` are parameters without biases;
`connections` are counted as LeNet-5's paper does: multiplications and biases of convolutions and linear layers, inputs
and a bias for each unit of trainable subsampling.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from math import floor, prod
from typing import Literal

from archbench.analyze.layers import LayerRow, LayerTable
from archbench.analyze.shared_fields import shared_fields
from archbench.errors import InputError, nearest
from archbench.units import format_dimensions

Outcome = Literal["exact", "rounds", "close", "contradicts", "shown"]
Value = int | Fraction | str
CLOSE = Fraction(5, 100)


@dataclass(frozen=True, slots=True)
class Claim:
    """A figure as published; `precision` is empty for shapes and kernels."""

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


@dataclass(frozen=True, slots=True)
class Facts:
    """A model's layer table for a batch of 1, its input shape without the batch, and its reported error."""

    table: LayerTable
    input_shape: tuple[int, ...]
    top5_error_percent: float | None


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
    return _judged(claim, _plain(computed), _compare(Fraction(claim.claimed), computed, Fraction(claim.precision)))


def _judged(claim: Claim, computed: int | float | str | None, verdict: Outcome) -> Judged:
    return Judged(**shared_fields(claim, Judged), computed=computed, verdict=verdict)


def _plain(value: int | Fraction) -> int | float:
    return int(value) if value == int(value) else float(value)


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
    values = [_quantity(_base(claim), claim.layer, model, facts[model]) for model in models_of(claim)]
    if len(values) == 1:
        return values[0]
    first, second = (Fraction(value) for value in values)
    if _separator(claim) == "-":
        return first - second
    if second == 0:
        what = f"{_base(claim)} of {models_of(claim)[1]}"
        raise InputError(f"claim '{claim.id}': {what} is 0, so that the ratio is undefined")
    return first / second


def _quantity(name: str, layer: str, model: str, facts: Facts) -> Value:
    rows = facts.table.rows
    if not layer:
        return OF_MODELS[name](facts.table)
    if layer == "input":
        return format_dimensions(facts.input_shape)
    if layer == "*conv":
        return ", ".join(sorted({str(OF_LAYERS[name](row, rows)) for row in rows if _is_convolution(row)}))
    row = next((row for row in rows if row.name == layer), None)
    if row is None:
        raise InputError(f"{model} has no layer '{layer}'{nearest(layer, [row.name for row in rows])}")
    return OF_LAYERS[name](row, rows)


def _is_convolution(row: LayerRow) -> bool:
    return row.kernel is not None and row.macs > 0


def _weights(row: LayerRow) -> int:
    """Each weight of a convolution is multiplied once for each position of its output."""
    positions = prod((row.output_shape or ())[2:]) if row.kernel else 1
    return row.macs // max(positions, 1)


def _connections(row: LayerRow) -> int:
    if row.macs:
        return row.macs + (row.neurons if row.params > _weights(row) else 0)
    is_subsampling = row.kernel is not None and row.params > 0
    return prod(row.output_shape or ()) * (prod(row.kernel or ()) + 1) if is_subsampling else 0


def _towers(rows: Iterable[LayerRow]) -> int:
    return max((row.groups or 1 for row in rows), default=1)


# Quantities that are compared as text, to the letter.
_SHAPES = ("kernel", "output_shape")
# The quantity that is shown and never judged.
_REPORTED = "top5_error_percent"

OF_LAYERS: dict[str, Callable[[LayerRow, tuple[LayerRow, ...]], Value]] = {
    "output_shape": lambda row, _: format_dimensions((row.output_shape or ())[1:]),
    "kernel": lambda row, _: format_dimensions(row.kernel or ()),
    "stride": lambda row, _: (row.stride or (0,))[0],
    "padding": lambda row, _: (row.padding or (0,))[0],
    "filters": lambda row, _: (row.output_shape or (0, 0))[1],
    "filters_per_tower": lambda row, rows: (row.output_shape or (0, 0))[1] // _towers(rows),
    "inputs": lambda row, _: prod((row.input_shape or ())[1:]),
    "neurons": lambda row, _: row.neurons,
    "params": lambda row, _: row.params,
    "macs": lambda row, _: row.macs,
    "weights": lambda row, _: _weights(row),
    "connections": lambda row, _: _connections(row),
}

OF_MODELS: dict[str, Callable[[LayerTable], Value]] = {
    "params": lambda table: table.totals.params,
    "conv_params": lambda table: sum(row.params for row in table.rows if _is_convolution(row)),
    "fc_params": lambda table: sum(row.params for row in table.rows if row.macs and not row.kernel),
    "macs": lambda table: table.totals.macs,
    "neurons": lambda table: table.totals.neurons,
    "weight_layers": lambda table: table.totals.weight_layers,
    "connections": lambda table: sum(map(_connections, table.rows)),
}


def _known(claim: Claim) -> list[str]:
    """Return the quantities known for a claim's layer or model; a ratio or difference needs two computed numbers."""
    names = ["output_shape"] if claim.layer == "input" else [*(OF_LAYERS if claim.layer else OF_MODELS), _REPORTED]
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
    if not claim.precision:
        raise InputError(f"{where}: '{claim.quantity}' needs the precision of its figure")
    for number in (claim.claimed, claim.precision):
        try:
            Fraction(number)
        except (ValueError, ZeroDivisionError) as error:  # the latter for 1/0
            raise InputError(f"{where}: '{number}' is not a number") from error
    if Fraction(claim.precision) <= 0:
        raise InputError(f"{where}: the precision '{claim.precision}' is not above 0")
