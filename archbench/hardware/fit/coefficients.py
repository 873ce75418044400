"""The coefficients of the prediction of rates: what each means, and where a plausible value lies.

A fit stays within the plausible ranges, and so do coefficients that stand for others or come from other tables. A test
refuses a GPU's bandwidth at the end of its range: it would show that bytes are counted wrongly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import exp, fsum, log
from typing import Literal


@dataclass(frozen=True, slots=True)
class Coefficient:
    """The usual value of a coefficient, the spread of its logarithm, and the range of plausible values."""

    usual: float
    spread: float
    low: float
    high: float


COEFFICIENTS: Mapping[str, Coefficient] = {
    # The part of the peak that products of a kind reach. Cards that boost above their nominal clocks exceed 1.
    "convolution": Coefficient(1.0, 0.5, 0.25, 1.5),
    "product": Coefficient(0.95, 0.25, 0.25, 1.4),
    "stem": Coefficient(0.6, 0.5, 0.15, 1.1),
    "depthwise": Coefficient(0.08, 0.5, 0.02, 0.3),
    "grouped": Coefficient(0.7, 0.5, 0.2, 1.3),
    "odd_grouped": Coefficient(0.25, 0.5, 0.05, 0.6),
    "attention": Coefficient(0.9, 0.3, 0.5, 1.2),
    "masked_attention": Coefficient(0.5, 0.5, 0.1, 1.0),
    "convolution_backward": Coefficient(0.9, 0.25, 0.4, 1.5),
    "depthwise_backward": Coefficient(0.03, 0.5, 0.005, 0.15),
    "grouped_backward": Coefficient(0.4, 0.5, 0.05, 1.0),
    "odd_grouped_backward": Coefficient(0.1, 0.5, 0.01, 0.5),
    # The part of the published bandwidth at which tensors of products, of elementwise operators and so on are moved.
    # Layout copies are counted at their full size, but libraries avoid many.
    "product_bytes": Coefficient(0.75, 0.4, 0.2, 1.1),
    "pointwise_bytes": Coefficient(0.95, 0.15, 0.3, 1.15),
    "copy_bytes": Coefficient(0.6, 0.5, 0.2, 1.1),
    "layout_bytes": Coefficient(2.0, 0.5, 0.5, 5.0),
    "group_norm_bytes": Coefficient(0.5, 0.5, 0.15, 1.1),
    "reduction_bytes": Coefficient(0.4, 0.5, 0.15, 1.1),
    "weight_bytes": Coefficient(0.7, 0.5, 0.1, 1.1),
    # Filters larger than the caches, which a CPU's library reorders for each call.
    "filter_bytes": Coefficient(0.15, 0.5, 0.03, 1.1),
    # Seconds from one kernel to the next. Large batches hardly show them; a fit must not explain other times by them.
    "launch_s": Coefficient(2.5e-6, 0.25, 0.5e-6, 50e-6),
    # Products whose depth or columns equal these reach half of their efficiency.
    "half_depth": Coefficient(30, 0.25, 5, 100),
    "half_columns": Coefficient(15, 0.4, 4, 60),
    "half_group_columns": Coefficient(15, 0.3, 4, 60),
    # How much longer a product takes whose depth or columns are not multiples of 8.
    "unaligned": Coefficient(1.5, 0.3, 1.0, 4.0),
}

# Those with other usual values on a CPU.
_ON_CPU: Mapping[str, Coefficient] = {
    "convolution": Coefficient(0.5, 0.3, 0.25, 1.0),
    "product": Coefficient(0.5, 0.3, 0.25, 1.0),
    "grouped": Coefficient(0.5, 0.3, 0.2, 1.0),
    "pointwise_bytes": Coefficient(0.5, 0.3, 0.3, 1.1),
    "launch_s": Coefficient(30e-6, 0.5, 5e-6, 50e-6),
}


def coefficients_on(kind: Literal["cpu", "gpu"]) -> Mapping[str, Coefficient]:
    """Return the coefficients of a kind of device."""
    return {**COEFFICIENTS, **_ON_CPU} if kind == "cpu" else COEFFICIENTS


# What stands for a coefficient that a table does not have, in the order of replacement.
_STAND_INS = {
    "odd_grouped": "grouped",
    "attention": "product",
    "masked_attention": "attention",
    "convolution_backward": "convolution",
    "depthwise_backward": "depthwise",
    "grouped_backward": "grouped",
    "odd_grouped_backward": "odd_grouped",
    "copy_bytes": "pointwise_bytes",
    "layout_bytes": "pointwise_bytes",
    "group_norm_bytes": "copy_bytes",
    "reduction_bytes": "pointwise_bytes",
    "weight_bytes": "product_bytes",
    "filter_bytes": "weight_bytes",
    "half_group_columns": "half_columns",
}
_PLAIN = {
    "launch_s": 2.5e-6, "half_depth": 0.0, "half_columns": 0.0, "half_group_columns": 0.0, "unaligned": 1.0,
    "sharpness": 64.0,
}  # fmt: skip
_PLAIN_BANDWIDTH = 0.9
# The power with which the times of arithmetic and of memory are added: 1 adds them, a large one takes the longer.
_SHARPNESS = 3.0


def completed(values: Mapping[str, float]) -> dict[str, float]:
    """Return all coefficients: those given, for others what stands for them."""
    values = {"sharpness": _SHARPNESS, "unaligned": 1.0, **values}
    for name, stand_in in _STAND_INS.items():
        if name not in values:
            values[name] = values[stand_in]
    return plausible(values)


def plausible(values: Mapping[str, float]) -> dict[str, float]:
    """Return coefficients with those outside their plausible range moved to its end."""
    ranges = {name: COEFFICIENTS[name] for name in values if name in COEFFICIENTS}
    return {
        name: min(max(value, ranges[name].low), ranges[name].high) if name in ranges else value
        for name, value in values.items()
    }


def plain_coefficients(efficiency: float) -> dict[str, float]:
    """Return the coefficients of the plain roofline: every product at the same part of the peak, whatever its size."""
    values = {name: _PLAIN_BANDWIDTH if name.endswith("_bytes") else efficiency for name in COEFFICIENTS}
    return values | _PLAIN


def mean_coefficients(tables: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the geometric means of the coefficients of several tables."""
    several = [completed(table) for table in tables]
    return {name: exp(fsum(log(table[name]) for table in several) / len(several)) for name in several[0]}
