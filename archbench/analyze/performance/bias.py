"""Correct predictions for a device by rates that were measured on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import exp, log
from statistics import median

from archbench.analyze.performance.rate_basis import RateBasis, joined


def corrected(basis: RateBasis, ratios: Sequence[float], measured_in: str = "") -> RateBasis:
    """Return a basis for a device on which models ran at these ratios of measured to predicted rates.

    The median ratio is the bias, by which predicted times are divided. The interval is at least as wide as the ratios
    are apart. `measured_in` names the runs that were measured where the predicted run is another one: whether it has
    the same bias is not known, so the bias widens the interval.
    """
    assert basis.factor is not None, "only predictions with an interval are corrected"
    ratio = median_ratio(ratios)
    factor = max(basis.factor, ratio_spread(ratios))
    factor = joined(factor, ratio) if measured_in else factor
    evidence = replace(basis.evidence, corrections=len(ratios), measured_in=measured_in)
    return RateBasis(_divided(basis.coefficients, ratio), factor, evidence)


def median_ratio(ratios: Sequence[float]) -> float:
    """Return the geometric median of ratios of measured to predicted rates, 1.0 without any.

    Between the two middle ratios of an even number it is their geometric mean, so that twice as fast and half as fast
    cancel out.
    """
    return exp(median(map(log, ratios))) if ratios else 1.0


def ratio_spread(ratios: Sequence[float]) -> float:
    """Return the factor, at least 1, between the median ratio and the one that is farthest from it."""
    middle = log(median_ratio(ratios))
    return exp(max((abs(log(ratio) - middle) for ratio in ratios), default=0.0))


def _divided(coefficients: Mapping[str, float], ratio: float) -> dict[str, float]:
    """Return coefficients with which every kernel's time is divided by a ratio."""
    kept = ("half_", "unaligned", "sharpness", "tensor_cores")
    changed = {name: value * ratio for name, value in coefficients.items() if not name.startswith(kept)}
    return {**coefficients, **changed, "launch_s": coefficients["launch_s"] / ratio}
