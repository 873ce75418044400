"""Paired comparison of A and B in rounds of processes: ratio, its interval, a test and a verdict.

Pairs alternate in ABBA order, so that drift favours A as often as B. With all of A before all of B, one noisy machine
distinguished A from A in 28 to 40% of trials, whatever the test. The pairs of one round share their processes, which
differ from those of other rounds by more than the pairs among themselves, so the round is the unit of the interval and
of the test. With pairs as the unit, A came out different from A in 36 to 54% of simulated trials.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from archbench.statistics.quantiles import student_p_value, student_quantile

LEAST_ROUNDS = 5
# Smaller differences do not matter in practice, and even a quiet machine shows them between equal programs.
LEAST_DIFFERENCE = 0.01

Arm = Literal["a", "b"]
Verdict = Literal["faster", "slower", "no difference above the noise"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Speed of A relative to B; `verdict` describes A.

    `ratio` is B's time divided by A's, the median of each round's pairs, averaged over `num_rounds` rounds: at 1.25, A
    does 1.25 times as much in the same time. `low` and `high` bound its 95% interval. `floor` is the relative
    difference measured between A and A.
    """

    num_rounds: int
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

    @property
    def least_slowdown(self) -> float:
        """By how much longer A takes than B at least, as a fraction of B's time: the nearer end of the interval."""
        return 1 / self.high - 1


def abba(num_pairs: int, *, is_b_first: bool = False) -> Iterator[tuple[Arm, Arm]]:
    """Yield the order of the two arms in each pair: ab, ba, ab, ..., or ba, ab, ba, ..."""
    for place in range(num_pairs):
        yield ("b", "a") if place % 2 != is_b_first else ("a", "b")


def compare_pairs(
    a_rounds: Sequence[Sequence[float]], b_rounds: Sequence[Sequence[float]], floor: float | None = None
) -> Comparison:
    """Compare A with B; samples at the same place of the same round form a pair, in seconds per step.

    Interval and p-value are Student's, of the logarithms of the rounds' median ratios. The verdict is a difference only
    if the interval excludes 1% and the floor. Raises ValueError if the rounds differ in length, are fewer than 5, or
    contain a time that is not positive.
    """
    if [*map(len, a_rounds)] != [*map(len, b_rounds)] or len(a_rounds) < LEAST_ROUNDS or not all(a_rounds):
        raise ValueError(f"a comparison needs at least {LEAST_ROUNDS} rounds of as many samples of A as of B")
    if min(min(samples) for samples in (*a_rounds, *b_rounds)) <= 0:
        raise ValueError("a sample has a time that is not positive")
    logs = [
        float(np.median(np.log(b_samples) - np.log(a_samples)))
        for a_samples, b_samples in zip(a_rounds, b_rounds, strict=True)
    ]
    mean, error = float(np.mean(logs)), float(np.std(logs, ddof=1)) / math.sqrt(len(logs))
    freedom = len(logs) - 1
    half_width = student_quantile(freedom) * error
    ratio, low, high = (math.exp(value) for value in (mean, mean - half_width, mean + half_width))
    p_value = student_p_value(mean / error, freedom) if error else float(mean == 0)
    verdict = _verdict(low, high, max(LEAST_DIFFERENCE, floor or 0.0))
    return Comparison(len(logs), sum(map(len, a_rounds)), ratio, low, high, p_value, floor, verdict)


def _verdict(low: float, high: float, margin: float) -> Verdict:
    # Where the interval excludes 1, the test is significant.
    if low > 1 + margin:
        return "faster"
    if high < 1 / (1 + margin):
        return "slower"
    return "no difference above the noise"


def _relative_difference(ratio: float) -> float:
    return max(ratio, 1 / ratio) - 1
