"""The bias of predictions for a device, from models that were measured on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median


def measured_bias(pairs: Sequence[tuple[float, float]]) -> float:
    """Return the factor that removes the bias of predicted rates, 1.0 without pairs.

    The factor is the geometric median of measured / predicted: between the two middle ratios of an even number, their
    geometric mean, so that twice as fast and half as fast cancel out.

    Args:
        pairs: Measured and predicted rate of each model, both above 0, in the same unit.
    """
    return math.exp(median(math.log(measured / predicted) for measured, predicted in pairs)) if pairs else 1.0
