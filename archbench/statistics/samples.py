"""Statistics of timing samples: bootstrap intervals of the median, percentiles, outliers, noise and drift.

Everything is deterministic: resampling uses a fixed seed, so that equal samples give equal intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

_SEED = 0
# The two runs of a comparison are resampled independently.
_OTHER_SEED = 1
_RESAMPLES = 10_000
_GROUP_RESAMPLES = 2_000
_TAILS = (0.025, 0.975)
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
    """Return the median and its 95% percentile-bootstrap interval (Efron 1979)."""
    medians = _resampled_medians(np.sort(np.asarray(samples, dtype=np.float64)))
    return _interval(float(np.median(samples)), medians)


def grouped_median_interval(groups: Sequence[Sequence[float]]) -> Interval:
    """Return the median of all samples and its 95% hierarchical-bootstrap interval; a group is one process's samples.

    Processes are resampled first, then the samples of each: samples of one process are more alike than samples of
    different processes.
    """
    arrays = [np.asarray(group, dtype=np.float64) for group in groups]
    if len(arrays) == 1:
        return median_interval(groups[0])
    return _interval(float(np.median(np.concatenate(arrays))), _group_medians(arrays, _SEED))


def median_ratio_interval(above: Sequence[Sequence[float]], below: Sequence[Sequence[float]]) -> Interval:
    """Return the ratio of two runs' medians and its 95% interval; each run is a sequence of its processes' samples.

    The runs are resampled independently, each as in `grouped_median_interval`.
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
    """
    if len(samples) < _LEAST_FOR_DRIFT:
        return None
    middle = len(samples) // 2
    first, second = median_interval(samples[:middle]), median_interval(samples[middle:])
    are_apart = first.high < second.low or second.high < first.low
    change = second.median / first.median - 1
    return change if are_apart and abs(change) > _DRIFT_LIMIT else None


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
