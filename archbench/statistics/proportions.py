"""Intervals and tests for proportions, such as accuracies over several seeds and one test set.

Two independent sources make an accuracy uncertain: the seed (Bouthillier et al. 2021) and the sample of test images.
More seeds do not reduce the second, nor more images the first, so each interval combines both: half-widths of
independent sources add as squares, on each side separately (Zou and Donner 2008). The spread over seeds contains part
of the images' noise, which is counted twice: intervals are rather too wide than too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from archbench.statistics.quantiles import CONFIDENCE, normal_quantile, student_quantile

Interval = tuple[float, float]
Correct = NDArray[np.bool_]


def wilson_interval(share: float, total: int, confidence: float = CONFIDENCE) -> Interval:
    """Return Wilson's interval (1927) for a proportion, which need not be a whole number of `total`."""
    z = normal_quantile(confidence)
    middle = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    width = z / (1 + z**2 / total) * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    # At 0 and at 1 the bound is the share itself, except for rounding.
    return max(0.0, min(share, middle - width)), min(1.0, max(share, middle + width))


def mean_interval(shares: Sequence[float], total: int) -> Interval:
    """Return the 95% interval of the mean accuracy over n seeds, measured on one test set of `total` images.

    On each side its width is sqrt(t² s² / n + w²): t is Student's quantile for n - 1 degrees of freedom, s the standard
    deviation over the seeds, and w the width of the Wilson interval of the mean. With a single seed only w remains.
    """
    mean = float(np.mean(shares))
    low, high = wilson_interval(mean, total)
    spread = 0.0
    if len(shares) > 1:
        spread = student_quantile(len(shares) - 1, CONFIDENCE) * float(np.std(shares, ddof=1)) / math.sqrt(len(shares))
    return max(0.0, mean - math.hypot(spread, mean - low)), min(1.0, mean + math.hypot(spread, high - mean))


def mcnemar(correct_a: Correct, correct_b: Correct) -> float:
    """Return the p-value of McNemar's exact test (1947) for two classifiers on the same images.

    Images that both classify correctly, or both wrongly, carry no information about a difference. Under the null
    hypothesis each of the others is as likely to be A's as B's, so their number is binomial.
    """
    from scipy.stats import binomtest

    a_only, b_only = int(np.sum(correct_a & ~correct_b)), int(np.sum(correct_b & ~correct_a))
    return float(binomtest(a_only, a_only + b_only).pvalue) if a_only + b_only else 1.0


def difference_half_width(correct_a: Correct, correct_b: Correct, confidence: float) -> float:
    """Return half the width of the interval of the difference of two mean accuracies.

    Rows are seeds, columns images, which A and B share. The part for the seeds is Welch's (1947), the part for the
    images that of the differences per image, each averaged over the seeds.
    """
    by_image = correct_a.mean(axis=0) - correct_b.mean(axis=0)
    # Two pseudo-images, one that only A classifies correctly and one that only B does (Agresti and Min 2005): a few
    # images may agree by chance, and must not leave an interval of width 0.
    count = len(by_image) + 2
    variance = (float(np.sum(by_image**2)) + 2) / count - (float(np.sum(by_image)) / count) ** 2
    images = normal_quantile(confidence) * math.sqrt(variance / count)
    return math.hypot(images, _welch_half_width(correct_a.mean(axis=1), correct_b.mean(axis=1), confidence))


def _welch_half_width(a: NDArray[np.float64], b: NDArray[np.float64], confidence: float) -> float:
    """Return half the width of Welch's interval, with Satterthwaite's degrees of freedom; one sample has no spread."""
    parts = [(float(np.var(x, ddof=1)) / len(x), len(x) - 1) for x in (a, b) if len(x) > 1]
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return 0.0
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    return student_quantile(freedom, confidence) * math.sqrt(variance)
