"""Statistics of timing samples: intervals of the median, correlation, percentiles, outliers, noise and drift.

Successive blocks of one process resemble each other on a shared machine, and processes differ from one another by more
than their blocks do. Intervals account for both; `benchmarks/coverage.py` shows how often they hold. Everything is
deterministic: resampling uses a fixed seed, so that equal samples give equal intervals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from archbench.statistics.quantiles import student_quantile

_SEED = 0
# The two runs of a comparison are resampled independently.
_OTHER_SEED = 1
_RESAMPLES = 10_000
_GROUP_RESAMPLES = 2_000
_TAILS = (0.025, 0.975)
_MOST_CORRELATION = 0.95
# With so many samples at least one lies beyond the percentile in 99.87% of cases, that of three sigma: 1 - 0.9**64.
_LEAST_SAMPLES = {90: 64, 99: 662}
# A spread below this fraction of the median comes from the clock's resolution.
_LEAST_SPREAD = 1e-4
# Two groups of five are disjoint by chance in 0.8% of cases, two of four in 2.9%.
_LEAST_FOR_DRIFT = 10
# Smaller changes are not reported.
_DRIFT_LIMIT = 0.01

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A median and the bounds of its 95% interval, in the unit of the samples."""

    median: float
    low: float
    high: float

    def is_within(self, fraction: float) -> bool:
        """Return whether both bounds are within that fraction of the median."""
        return max(self.median - self.low, self.high - self.median) <= fraction * self.median


def median_interval(samples: Sequence[float]) -> Interval:
    """Return the median and its 95% interval, for samples in the order in which they were taken.

    The percentile-bootstrap interval (Efron 1979) is that of independent samples. It is widened for samples that
    resemble the one before: by sqrt((1 + r) / (1 - r)) for a first-order autoregressive process with lag-1
    correlation r (Bartlett 1946).
    """
    interval = _independent_interval(samples)
    wider = _widening(samples)
    low = interval.median - wider * (interval.median - interval.low)
    high = interval.median + wider * (interval.high - interval.median)
    # No sample suggests a median beyond all of them.
    return Interval(interval.median, max(low, float(min(samples))), min(high, float(max(samples))))


def lag_1_correlation(samples: Sequence[float]) -> float:
    """Return the correlation of each sample's rank with that of the one before; 0 for equal or fewer than 3 samples.

    Ranks, because a single outlier would hide the correlation of the others.
    """
    values = np.asarray(samples, dtype=np.float64)
    # Equal samples have the mean of their ranks.
    below, through = (np.searchsorted(np.sort(values), values, side) for side in ("left", "right"))
    ranks = (below + through) / 2 - len(values) / 2
    total = float(ranks @ ranks)
    return float(ranks[1:] @ ranks[:-1]) / total if total > 0 and len(values) > 2 else 0.0


def grouped_median_interval(groups: Sequence[Sequence[float]]) -> Interval:
    """Return the typical median of several processes and its 95% interval; a group is one process's samples.

    The processes' medians are independent, unlike the samples within a process: their geometric mean has Student's
    interval, in logarithms. With two processes or three it is wide. One process has the interval of its samples, and so
    have groups with a time of 0, together.
    """
    if len(groups) == 1 or min(map(min, groups)) <= 0:
        return median_interval([sample for group in groups for sample in group])
    logs = np.log([float(np.median(group)) for group in groups])
    mean, half_width = float(np.mean(logs)), _student_half_width(logs)
    low, median, high = (float(np.exp(value)) for value in (mean - half_width, mean, mean + half_width))
    return Interval(median, low, high)


def median_ratio_interval(above: Sequence[Sequence[float]], below: Sequence[Sequence[float]]) -> Interval:
    """Return the ratio of two runs' medians and its 95% interval; each run is a sequence of its processes' samples.

    The runs are resampled independently: first processes, then the samples of each.
    """
    arrays = [[np.asarray(group, dtype=np.float64) for group in groups] for groups in (above, below)]
    medians = [float(np.median(np.concatenate(groups))) for groups in arrays]
    resampled = [_group_medians(groups, seed) for groups, seed in zip(arrays, (_SEED, _OTHER_SEED), strict=True)]
    return _interval(medians[0] / medians[1], resampled[0] / resampled[1])


def percentile(samples: Sequence[float], percent: Literal[90, 99]) -> float | None:
    """Return a percentile, interpolated linearly between samples; None if there are too few samples for it."""
    if len(samples) < _LEAST_SAMPLES[percent]:
        return None
    return float(np.percentile(samples, percent))


def modified_z_scores(samples: Sequence[float]) -> Array:
    """Return each sample's distance from the median in median absolute deviations (as hyperfine computes it)."""
    values = np.asarray(samples, dtype=np.float64)
    median = np.median(values)
    distances = np.abs(values - median)
    return distances / max(float(np.median(distances)), _LEAST_SPREAD * float(median))


def relative_deviation(samples: Sequence[float]) -> float:
    """Return the coefficient of variation: standard deviation / mean; 0 for a single sample."""
    if len(samples) < 2:
        return 0.0
    return float(np.std(samples, ddof=1) / np.mean(samples))


def drift(samples: Sequence[float]) -> float | None:
    """Return the relative change of the median from the first half to the second; None if it is within the noise.

    A change is significant if the 95% intervals of the two medians are disjoint and the medians differ by more than 1%.
    Samples count as independent here, for a drift correlates them.
    """
    if len(samples) < _LEAST_FOR_DRIFT:
        return None
    middle = len(samples) // 2
    first, second = _independent_interval(samples[:middle]), _independent_interval(samples[middle:])
    are_apart = first.high < second.low or second.high < first.low
    change = second.median / first.median - 1
    return change if are_apart and abs(change) > _DRIFT_LIMIT else None


def _independent_interval(samples: Sequence[float]) -> Interval:
    medians = _resampled_medians(np.sort(np.asarray(samples, dtype=np.float64)))
    return _interval(float(np.median(samples)), medians)


def _widening(samples: Sequence[float]) -> float:
    """Return by how much an interval is wider for the correlation of successive samples, 1 if there is none.

    A sample correlation is too small by about (1 + 4 r) / n (Kendall 1954).
    """
    correlation = lag_1_correlation(samples)
    correlation += (1 + 4 * correlation) / len(samples)
    limited = min(max(correlation, 0.0), _MOST_CORRELATION)
    return math.sqrt((1 + limited) / (1 - limited))


def _student_half_width(values: Array) -> float:
    return student_quantile(len(values) - 1) * float(np.std(values, ddof=1)) / math.sqrt(len(values))


def _interval(median: float, resampled: Array) -> Interval:
    low, high = np.quantile(resampled, _TAILS)
    return Interval(median, float(low), float(high))


def _resampled_medians(ordered: Array) -> Array:
    """Return medians of resamples without drawing the resamples: one beta variate per median instead of n uniforms.

    A resample is `ordered[floor(n * u)]` for n uniform numbers u, so its median is at the middle u, and the m-th
    smallest of n uniform numbers is distributed as Beta(m, n + 1 - m). For even n there are two middle ones; the second
    is the smallest of the n - m numbers that are uniform above the first.
    """
    random = np.random.default_rng(_SEED)
    count = len(ordered)
    middle = (count + 1) // 2
    lower = random.beta(middle, count + 1 - middle, _RESAMPLES)
    if count % 2:
        return _at(ordered, lower)
    upper = lower + (1 - lower) * random.beta(1, count - middle, _RESAMPLES)
    return (_at(ordered, lower) + _at(ordered, upper)) / 2


def _at(ordered: Array, uniform: Array) -> Array:
    # A draw may round up to 1.
    places = np.minimum((uniform * len(ordered)).astype(np.int64), len(ordered) - 1)
    return ordered[places]


def _group_medians(groups: list[Array], seed: int) -> Array:
    random = np.random.default_rng(seed)
    return np.asarray([_resampled_group_median(groups, random) for _ in range(_GROUP_RESAMPLES)])


def _resampled_group_median(groups: list[Array], random: np.random.Generator) -> float:
    chosen = [groups[place] for place in random.integers(len(groups), size=len(groups))]
    return float(np.median(np.concatenate([group[random.integers(len(group), size=len(group))] for group in chosen])))
