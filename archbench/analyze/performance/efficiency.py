"""Which part of a device's peak real products reach: fitted on published measurements, each fit with its error.

`devices/published.csv` has the measurements with their sources, `devices/efficiency.csv` one fit for each source: on
its row of VGG-16 alone, with the largest relative error that it then makes on the source's other rows.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from statistics import median
from typing import Literal

from archbench.analyze.performance.roofline import Conditions, time_s
from archbench.hardware.device import Device
from archbench.trace.records import Trace

_STEPS = 60
# The makers' peaks of devices without a fit are doubtful: on an H200 a large product of random bf16 matrices
# reached 790 of the published 989 TFLOP/s.
_DOUBTFUL = 790 / 989


@dataclass(frozen=True, slots=True)
class Published:
    """A measured rate as somebody published it."""

    source: str
    device: str
    layout: Literal["nchw", "nhwc"]
    is_fused: bool
    dtype: str
    batch: int
    model: str
    images_per_s: float


@dataclass(frozen=True, slots=True)
class Fit:
    """The efficiency that makes the prediction for one model exact; `worst_error` is that on the source's others."""

    source: str
    device: str
    is_fused: bool
    fitted_on: str
    efficiency: float
    worst_error: float


@dataclass(frozen=True, slots=True)
class Efficiency:
    """An efficiency with its range, and the error of predictions made with it; `basis` says where it is from."""

    value: float
    low: float
    high: float
    error: float
    basis: str


def published_rates() -> list[Published]:
    """Return every published measurement."""
    return [
        Published(
            source=row["source"],
            device=row["device"],
            layout="nhwc" if row["layout"] == "nhwc" else "nchw",
            is_fused=row["is_fused"] == "True",
            dtype=row["dtype"],
            batch=int(row["batch"]),
            model=row["model"],
            images_per_s=float(row["images_per_s"]),
        )
        for row in _rows("published.csv")
    ]


def stated_efficiency(device: Device, *, is_fused: bool) -> Efficiency:
    """Return the efficiency to predict with.

    On a device with published rates it is fitted on those, run the same way if possible. Some cards run faster than
    their makers state, so that it can be above 1. A ceiling that was measured is taken as reached by large products;
    a published one without a fit as reached by 80% to 100%.
    """
    fits = _fits()
    own = [fit for fit in fits if fit.device == device.name]
    own = [fit for fit in own if fit.is_fused == is_fused] or own
    error = max(fit.worst_error for fit in own or fits)
    if own:
        values = [fit.efficiency for fit in own]
        basis = f"fitted on published rates of {own[0].fitted_on}"
        return Efficiency(median(values), min(values), max(values), error, basis)
    if device.is_measured:
        return Efficiency(1.0, 1.0, 1.0, error, "as measured with large products")
    return Efficiency((_DOUBTFUL + 1) / 2, _DOUBTFUL, 1.0, error, "not fitted, for no rates are published for it here")


def fit_efficiency(trace: Trace, conditions: Conditions, images_per_s: float) -> float:
    """Return the efficiency with which the predicted rate is the given one. Raises ValueError if none makes it so."""
    wanted_s = trace.batch / images_per_s

    def excess_s(efficiency: float) -> float:
        return time_s(trace, replace(conditions, efficiency=efficiency)) - wanted_s

    low, high = 0.01, 4.0
    if excess_s(low) < 0 or excess_s(high) > 0:
        raise ValueError(f"no efficiency between {low} and {high} gives {images_per_s} images/s")
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if excess_s(middle) > 0 else (low, middle)
    return (low + high) / 2


def _fits() -> Sequence[Fit]:
    return [
        Fit(
            source=row["source"],
            device=row["device"],
            is_fused=row["is_fused"] == "True",
            fitted_on=row["fitted_on"],
            efficiency=float(row["efficiency"]),
            worst_error=float(row["worst_error"]),
        )
        for row in _rows("efficiency.csv")
    ]


def _rows(name: str) -> list[dict[str, str]]:
    text = (files("archbench.hardware") / name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))
