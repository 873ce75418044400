"""A against B, in pairs: the median ratio, its interval, a sign-flip test, and what may be said of them.

Pairs stand in ABBA order, so that what drifts while they run favours A as often as B. In plain sequence, one noisy
machine told A from A in 28 to 40% of trials, whatever the test.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from archbench.measure.bench.statistics import Array, median_interval

LEAST_PAIRS = 20
# A smaller difference is not worth a word, and a quiet machine shows one where there is none.
LEAST_DIFFERENCE = 0.01
SIGNIFICANCE = 0.05

_SEED = 0
_FLIPS = 5_000

Arm = Literal["a", "b"]
Verdict = Literal["faster", "slower", "no difference above the noise"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How fast A is against B, from so many pairs; the verdict is A's.

    `ratio` is the median over the pairs of B's time divided by A's: 1.25 says that A does 1.25 times as much in the
    same time. Low and high bound its 95% interval. `floor` is the part by which A seemed to differ from A itself.
    """

    num_pairs: int
    ratio: float
    low: float
    high: float
    p_value: float
    floor: float | None
    verdict: Verdict

    @property
    def difference(self) -> float:
        """The largest part by which the interval allows the two to differ; that of A against A is a floor."""
        return max(_size(self.low), _size(self.high))


def abba(num_pairs: int) -> Iterator[tuple[Arm, Arm]]:
    """Yield which arm is first and which second in each pair."""
    for place in range(num_pairs):
        yield ("b", "a") if place % 2 else ("a", "b")


def compare_pairs(a_samples: Sequence[float], b_samples: Sequence[float], floor: float | None = None) -> Comparison:
    """Return how A compares with B; samples at one place are a pair, in seconds a step.

    A is called different only if the interval clears 1% and the floor, and the test is significant too. Raises
    ValueError if the samples are no pairs, fewer than 20, or not positive.
    """
    if len(a_samples) != len(b_samples) or len(a_samples) < LEAST_PAIRS:
        raise ValueError(
            f"{len(a_samples)} and {len(b_samples)} samples; a comparison needs {LEAST_PAIRS} pairs or more"
        )
    if min(*a_samples, *b_samples) <= 0:
        raise ValueError("a sample took no time")
    logs = np.log(np.asarray(b_samples, dtype=np.float64)) - np.log(np.asarray(a_samples, dtype=np.float64))
    interval = median_interval(logs.tolist())
    ratio, low, high = (float(np.exp(value)) for value in (interval.median, interval.low, interval.high))
    p_value = sign_flip_p_value(logs)
    verdict = _verdict(low, high, p_value, max(LEAST_DIFFERENCE, floor or 0.0))
    return Comparison(len(logs), ratio, low, high, p_value, floor, verdict)


def sign_flip_p_value(differences: Array) -> float:
    """Return how often the signs of the differences are as one-sided by chance, in either direction.

    Signs are flipped at random (Fisher 1935) and weigh by the rank of their difference (Wilcoxon 1945): by the
    difference itself, a single interruption of one arm would hide what all other pairs show.
    """
    ranks = 1.0 + np.argsort(np.argsort(np.abs(differences)))
    signs = np.random.default_rng(_SEED).choice((-1.0, 1.0), size=(_FLIPS, len(differences)))
    observed = np.abs(ranks @ np.sign(differences))
    flipped = np.abs(signs @ (ranks * np.abs(np.sign(differences))))
    # The signs as they came are one of the flips.
    return float((1 + np.sum(flipped >= observed)) / (1 + _FLIPS))


def _verdict(low: float, high: float, p_value: float, margin: float) -> Verdict:
    if p_value < SIGNIFICANCE and low > 1 + margin:
        return "faster"
    if p_value < SIGNIFICANCE and high < 1 / (1 + margin):
        return "slower"
    return "no difference above the noise"


def _size(ratio: float) -> float:
    return max(ratio, 1 / ratio) - 1
