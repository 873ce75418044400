"""Quantiles of the normal and of Student's distribution for two-sided intervals."""

from __future__ import annotations

import math

CONFIDENCE = 0.95


def normal_quantile(confidence: float = CONFIDENCE) -> float:
    """Return the number of standard deviations on each side of a normal interval."""
    from scipy.special import ndtri

    return float(ndtri((1 + confidence) / 2))


def student_quantile(freedom: float, confidence: float = CONFIDENCE) -> float:
    """Return the number of standard errors on each side of Student's interval; with `math.inf` it is the normal one."""
    from scipy.special import stdtrit

    return normal_quantile(confidence) if math.isinf(freedom) else float(stdtrit(freedom, (1 + confidence) / 2))


def student_p_value(t: float, freedom: float) -> float:
    """Return the two-sided p-value of Student's test."""
    from scipy.special import ndtr, stdtr

    return float(2 * (ndtr(-abs(t)) if math.isinf(freedom) else stdtr(freedom, -abs(t))))
