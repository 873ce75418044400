"""The fraction of a device's peak that products reach, fitted on published rates.

`hardware/published.csv` has the rates with their sources, `hardware/efficiency.csv` one fit per source: on its row of
VGG-16 alone, with the largest relative error of the resulting predictions on its other rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.resources import files
from statistics import median
from typing import Literal

from archbench.analyze.performance.roofline import Conditions, time_s
from archbench.files import Record, records_from_csv
from archbench.hardware.device import Device
from archbench.trace.records import Trace

_STEPS = 60
# Published peaks may not be reached: on an H200 a large product of random bf16 matrices reached 790 of 989 TFLOP/s.
_LOW_UNFITTED = 790 / 989


@dataclass(frozen=True, slots=True)
class PublishedRate:
    """A published throughput measurement."""

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
    """The efficiency for which the prediction for one model is exact.

    `worst_error` is the largest relative error on the source's other models.
    """

    source: str
    device: str
    is_fused: bool
    fitted_on: str
    efficiency: float
    worst_error: float


@dataclass(frozen=True, slots=True)
class Efficiency:
    """An efficiency with its range, the relative error of predictions made with it, and its origin in words."""

    value: float
    low: float
    high: float
    error: float
    basis: str


def published_rates() -> list[PublishedRate]:
    """Return the published throughput measurements."""
    return _records("published.csv", PublishedRate)


def stated_efficiency(device: Device, *, is_fused: bool) -> Efficiency:
    """Return the efficiency to predict a device with.

    It is fitted on the device's published rates, on those run the same way (eager or fused) where there are any; some
    cards run faster than their makers state, so it can exceed 1. Measured ceilings count as reached by large products
    (1.0), published ones without a fit as reached to between 80% and 100%.
    """
    fits = _records("efficiency.csv", Fit)
    own = [fit for fit in fits if fit.device == device.name]
    own = [fit for fit in own if fit.is_fused == is_fused] or own
    error = max(fit.worst_error for fit in own or fits)
    if own:
        values = [fit.efficiency for fit in own]
        basis = f"fitted on published rates of {own[0].fitted_on}"
        return Efficiency(median(values), min(values), max(values), error, basis)
    if device.is_measured:
        return Efficiency(1.0, 1.0, 1.0, error, "as measured with large products")
    return Efficiency((_LOW_UNFITTED + 1) / 2, _LOW_UNFITTED, 1.0, error, "not fitted: no published rates")


def fit_efficiency(trace: Trace, conditions: Conditions, images_per_s: float) -> float:
    """Return the efficiency for which the predicted rate is `images_per_s`. Raises ValueError if there is none."""
    target_s = trace.batch / images_per_s

    def excess_s(efficiency: float) -> float:
        return time_s(trace, replace(conditions, efficiency=efficiency)) - target_s

    low, high = 0.01, 4.0
    if excess_s(low) < 0 or excess_s(high) > 0:
        raise ValueError(f"no efficiency between {low} and {high} gives {images_per_s} images/s")
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if excess_s(middle) > 0 else (low, middle)
    return (low + high) / 2


def _records(name: str, record_type: type[Record]) -> list[Record]:
    return records_from_csv((files("archbench.hardware") / name).read_text("utf-8"), record_type)
