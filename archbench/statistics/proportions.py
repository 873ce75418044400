"""Intervals and tests for proportions, such as accuracies over several seeds and one test set.

Two independent sources make an accuracy uncertain: the seed (Bouthillier et al. 2021) and the sample of test images.
More seeds do not reduce the second, nor more images the first: their variances add, and the degrees of freedom of the
sum are Satterthwaite's (1946). The spread over seeds contains part of the images' noise, which is counted twice:
intervals are rather too wide than too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archbench.statistics.quantiles import CONFIDENCE, normal_quantile, student_p_value, student_quantile

Interval = tuple[float, float]
Correct = NDArray[np.bool_]

SeedPart = tuple[float, float]
"""A variance estimated from seeds, and its degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """The variance of a mean: parts estimated from few seeds, and a part of many images."""

    seeds: Sequence[SeedPart]
    images: float

    @property
    def variance(self) -> float:
        """The sum of all parts."""
        return math.fsum(variance for variance, _ in self.seeds) + self.images

    @property
    def freedom(self) -> float:
        """Satterthwaite's degrees of freedom of the sum; `math.inf` where only images count."""
        known = math.fsum(variance**2 / freedom for variance, freedom in self.seeds)
        return self.variance**2 / known if known > 0 else math.inf

    def half_width(self, confidence: float = CONFIDENCE) -> float:
        """Return half the width of the interval."""
        return student_quantile(self.freedom, confidence) * math.sqrt(self.variance)

    def p_value(self, difference: float) -> float:
        """Return the two-sided p-value of a difference from 0."""
        return student_p_value(difference / math.sqrt(self.variance), self.freedom)


def wilson_interval(share: float, total: int, confidence: float = CONFIDENCE) -> Interval:
    """Return Wilson's interval (1927) for a proportion, which need not be a whole number of `total`."""
    z = normal_quantile(confidence)
    middle = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    width = z / (1 + z**2 / total) * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    # At 0 and at 1 the bound is the share itself, except for rounding.
    return max(0.0, min(share, middle - width)), min(1.0, max(share, middle + width))


def mean_interval(shares: Sequence[float], total: int) -> Interval:
    """Return the 95% interval of the mean accuracy over n seeds, measured on one test set of `total` images.

    The variance is s² / n + w² / z² on each side: s is the standard deviation over the seeds, w the width of the Wilson
    interval of the mean on that side, and z the normal quantile. With a single seed only w remains.
    """
    mean = float(np.mean(shares))
    low, high = wilson_interval(mean, total)
    seeds = [_seed_part(np.asarray(shares))] if len(shares) > 1 else []
    below, above = (
        Uncertainty(seeds, (side / normal_quantile()) ** 2).half_width() for side in (mean - low, high - mean)
    )
    return max(0.0, mean - below), min(1.0, mean + above)


def mcnemar(correct_a: Correct, correct_b: Correct) -> float:
    """Return the p-value of McNemar's exact test (1947) for two classifiers on the same images.

    Images that both classify correctly, or both wrongly, carry no information about a difference. Under the null
    hypothesis each of the others is as likely to be A's as B's, so their number is binomial.
    """
    from scipy.stats import binomtest

    a_only, b_only = int(np.sum(correct_a & ~correct_b)), int(np.sum(correct_b & ~correct_a))
    return float(binomtest(a_only, a_only + b_only).pvalue) if a_only + b_only else 1.0


def difference_uncertainty(correct_a: Correct, correct_b: Correct, pooled: SeedPart | None = None) -> Uncertainty:
    """Return how uncertain the difference of two mean accuracies is.

    Rows are seeds, columns images, which A and B share. The part for the seeds is Welch's (1947), or that of the
    variance and degrees of freedom `pooled` over several models; a single seed has none. The part for the images is
    that of the differences per image, averaged over the seeds.
    """
    several = [correct.mean(axis=1) for correct in (correct_a, correct_b) if len(correct) > 1]
    if pooled is None:
        seeds = [_seed_part(accuracies) for accuracies in several]
    else:
        seeds = [(pooled[0] * sum(1 / len(accuracies) for accuracies in several), pooled[1])] if several else []
    return Uncertainty(seeds, _image_variance(correct_a.mean(axis=0) - correct_b.mean(axis=0)))


def pooled_seed_variance(correct: Iterable[Correct]) -> SeedPart | None:
    """Return the variance of an accuracy over seeds, pooled over models with several, and its degrees of freedom."""
    several = [each.mean(axis=1) for each in correct if len(each) > 1]
    freedom = sum(len(accuracies) - 1 for accuracies in several)
    if not freedom:
        return None
    return sum((len(accuracies) - 1) * float(np.var(accuracies, ddof=1)) for accuracies in several) / freedom, freedom


def _seed_part(accuracies: NDArray[np.float64]) -> SeedPart:
    """Return the variance of the mean over seeds, and its degrees of freedom."""
    return float(np.var(accuracies, ddof=1)) / len(accuracies), len(accuracies) - 1


def _image_variance(by_image: NDArray[np.float64]) -> float:
    """Return the variance of the mean of differences per image.

    Two pseudo-images, one that only A classifies correctly and one that only B does (Agresti and Min 2005): a few
    images may agree by chance, and must not leave an interval of width 0.
    """
    count = len(by_image) + 2
    return ((float(np.sum(by_image**2)) + 2) / count - (float(np.sum(by_image)) / count) ** 2) / count
