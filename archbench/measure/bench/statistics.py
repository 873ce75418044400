"""What the samples of one measurement say: an interval of the median, percentiles, outliers, noise and drift.

All of it is deterministic: resampling starts from one seed, so that equal samples give equal intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

_SEED = 0
# Two runs that are compared are resampled apart from each other.
_OTHER_SEED = 1
_RESAMPLES = 10_000
_GROUP_RESAMPLES = 2_000
_TAILS = (0.025, 0.975)
# With so many samples at least one lies beyond the percentile in 99.87% of cases, that of three sigma: 1 - 0.9**64.
_LEAST_SAMPLES = {90: 64, 99: 662}
# A spread below this part of the median is the clock's, not that of what is timed.
_LEAST_SPREAD = 1e-4
# Five against five lie apart by chance in 0.8% of cases, four against four in 2.9%.
_LEAST_FOR_DRIFT = 10
# The protocol's size of a difference worth a word.
_DRIFT_LIMIT = 0.01

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A median and the bounds of its 95% interval, in the unit of the samples."""

    median: float
    low: float
    high: float

    def is_within(self, part: float) -> bool:
        """Say whether both bounds are at most that part of the median away from it."""
        return max(self.median - self.low, self.high - self.median) <= part * self.median


def median_interval(samples: Sequence[float]) -> Interval:
    """Return the median with its 95% percentile-bootstrap interval (Efron 1979)."""
    medians = _resampled_medians(np.sort(np.asarray(samples, dtype=np.float64)))
    return _interval(float(np.median(samples)), medians)


def grouped_median_interval(groups: Sequence[Sequence[float]]) -> Interval:
    """Return the median of all samples with a 95% interval that knows which of them came from one process.

    Processes are resampled first, then the samples of each: those of one process are more alike than those of several.
    """
    arrays = [np.asarray(group, dtype=np.float64) for group in groups]
    if len(arrays) == 1:
        return median_interval(groups[0])
    return _interval(float(np.median(np.concatenate(arrays))), _group_medians(arrays, _SEED))


def median_ratio_interval(above: Sequence[Sequence[float]], below: Sequence[Sequence[float]]) -> Interval:
    """Return the ratio of two runs' medians with its 95% interval; each run is given as the samples of its processes.

    The runs are resampled apart, each as `grouped_median_interval` does it.
    """
    arrays = [[np.asarray(group, dtype=np.float64) for group in groups] for groups in (above, below)]
    medians = [float(np.median(np.concatenate(groups))) for groups in arrays]
    resampled = [_group_medians(groups, seed) for groups, seed in zip(arrays, (_SEED, _OTHER_SEED), strict=True)]
    return _interval(medians[0] / medians[1], resampled[0] / resampled[1])


def percentile(samples: Sequence[float], percent: Literal[90, 99]) -> float | None:
    """Return a percentile, interpolated between samples; None where there are too few of them to tell."""
    if len(samples) < _LEAST_SAMPLES[percent]:
        return None
    return float(np.percentile(samples, percent))


def modified_z_scores(samples: Sequence[float]) -> Array:
    """Return how many median absolute deviations each sample lies away from the median (as hyperfine does)."""
    values = np.asarray(samples, dtype=np.float64)
    median = np.median(values)
    distances = np.abs(values - median)
    return distances / max(float(np.median(distances)), _LEAST_SPREAD * float(median))


def relative_deviation(samples: Sequence[float]) -> float:
    """Return the standard deviation as a part of the mean; 0 of a single sample."""
    if len(samples) < 2:
        return 0.0
    return float(np.std(samples, ddof=1) / np.mean(samples))


def drift(samples: Sequence[float]) -> float | None:
    """Return by which part the second half is slower than the first; None if that is no more than noise.

    It is more if the 95% intervals of the two medians lie apart, and the medians by more than 1%.
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
    """Return the medians of resamples without making those: one beta draw a median, not as many as there are samples.

    A resample is `ordered[floor(n * u)]` for n uniform numbers u, so its median lies at the middle one of these, and
    the m-th smallest of n uniform numbers is distributed as Beta(m, n + 1 - m). For an even n there are two in the
    middle; the second is the smallest of the n - m that are uniform above the first.
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
