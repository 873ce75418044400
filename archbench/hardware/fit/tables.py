"""The tables of published rates that coefficients were fitted to, with the conditions under which each was measured."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from archbench.files import Record, records_from_csv


@dataclass(frozen=True, slots=True)
class RateTable:
    """A published table: the device, and how its rates were measured.

    `attention` is how models ran attention: `fused`, or `math` as separate products. With `has_fast_norm` layer and
    group normalisation ran in half precision under autocast, with `is_reparameterized` branches of convolutions were
    merged where a model can do that, with `has_half_attention` attention that is not fused ran in half precision (from
    torch 2.5 on in float32).
    """

    name: str
    device: str
    mode: Literal["eval", "train"]
    dtype: str
    layout: Literal["nchw", "nhwc"]
    is_compiled: bool
    torch: str
    attention: Literal["fused", "math"]
    has_fast_norm: bool
    is_reparameterized: bool
    has_half_attention: bool


@dataclass(frozen=True, slots=True)
class Interval:
    """How far predictions were off: for families that a fit did not see, or for devices or forms left out of it.

    `factor` makes a 90% interval: from the prediction divided by it to the prediction times it. `name` is that of a
    table, or what the rates have in common that were predicted without their own device's.
    """

    name: str
    factor: float
    models: int
    families: int


@cache
def rate_tables() -> tuple[RateTable, ...]:
    """Return the tables, for equal conditions the newest last."""
    return tuple(_records("tables.csv", RateTable))


@cache
def fitted_coefficients() -> dict[str, dict[str, float]]:
    """Return the fitted coefficients by table and name."""
    fitted: dict[str, dict[str, float]] = {}
    for value in _records("coefficients.csv", _Value):
        fitted.setdefault(value.table, {})[value.coefficient] = value.value
    return fitted


@cache
def intervals() -> dict[str, Interval]:
    """Return the intervals by name."""
    return {interval.name: interval for interval in _records("intervals.csv", Interval)}


@dataclass(frozen=True, slots=True)
class _Value:
    table: str
    coefficient: str
    value: float


def _records(name: str, record_type: type[Record]) -> list[Record]:
    return records_from_csv((files("archbench.hardware.fit") / name).read_text("utf-8"), record_type)
