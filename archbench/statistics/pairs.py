"""Paired comparison of A and B: median ratio, its interval, a sign-flip test and a verdict.

Pairs alternate in ABBA order, so that drift favours A as often as B. With all of A before all of B, one noisy machine
distinguished A from A in 28 to 40% of trials, whatever the test.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from archbench.statistics.samples import Array, median_interval

LEAST_PAIRS = 20
# Smaller differences do not matter in practice, and even a quiet machine shows them between equal programs.
LEAST_DIFFERENCE = 0.01
SIGNIFICANCE = 0.05

_SEED = 0
_FLIPS = 5_000

Arm = Literal["a", "b"]
Verdict = Literal["faster", "slower", "no difference above the noise"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Speed of A relative to B; `verdict` describes A.

    `ratio` is the median over `num_pairs` pairs of B's time divided by A's: at 1.25, A does 1.25 times as much in the
    same time. `low` and `high` bound its 95% interval. `floor` is the relative difference measured between A and A.
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
        """The largest relative difference within the interval; for A against A, this is the noise floor."""
        return max(_relative_difference(self.low), _relative_difference(self.high))


def abba(num_pairs: int) -> Iterator[tuple[Arm, Arm]]:
    """Yield the order of the two arms in each pair: ab, ba, ab, ..."""
    for place in range(num_pairs):
        yield ("b", "a") if place % 2 else ("a", "b")


def compare_pairs(a_samples: Sequence[float], b_samples: Sequence[float], floor: float | None = None) -> Comparison:
    """Compare A with B; samples at the same index form a pair, in seconds per step.

    The verdict is a difference only if the interval excludes 1% and the floor, and the test is significant. Raises
    ValueError if the sequences differ in length, have fewer than 20 samples, or contain a time that is not positive.
    """
    if len(a_samples) != len(b_samples) or len(a_samples) < LEAST_PAIRS:
        raise ValueError(
            f"got {len(a_samples)} and {len(b_samples)} samples; a comparison needs at least {LEAST_PAIRS} pairs"
        )
    if min(*a_samples, *b_samples) <= 0:
        raise ValueError("a sample has a time that is not positive")
    logs = np.log(np.asarray(b_samples, dtype=np.float64)) - np.log(np.asarray(a_samples, dtype=np.float64))
    interval = median_interval(logs.tolist())
    ratio, low, high = (float(np.exp(value)) for value in (interval.median, interval.low, interval.high))
    p_value = sign_flip_p_value(logs)
    verdict = _verdict(low, high, p_value, max(LEAST_DIFFERENCE, floor or 0.0))
    return Comparison(len(logs), ratio, low, high, p_value, floor, verdict)


def sign_flip_p_value(differences: Array) -> float:
    """Return the two-sided p-value of a sign-flip test with rank weights.

    Signs are flipped at random (Fisher 1935) and weighted by the rank of the difference (Wilcoxon 1945): weighted by
    the difference itself, a single interruption of one arm would mask all other pairs.
    """
    ranks = 1.0 + np.argsort(np.argsort(np.abs(differences)))
    signs = np.random.default_rng(_SEED).choice((-1.0, 1.0), size=(_FLIPS, len(differences)))
    observed = np.abs(ranks @ np.sign(differences))
    flipped = np.abs(signs @ (ranks * np.abs(np.sign(differences))))
    # The observed signs count as one of the flips.
    return float((1 + np.sum(flipped >= observed)) / (1 + _FLIPS))


def _verdict(low: float, high: float, p_value: float, margin: float) -> Verdict:
    if p_value < SIGNIFICANCE and low > 1 + margin:
        return "faster"
    if p_value < SIGNIFICANCE and high < 1 / (1 + margin):
        return "slower"
    return "no difference above the noise"


def _relative_difference(ratio: float) -> float:
    return max(ratio, 1 / ratio) - 1
