"""Simulated measurements: how often intervals hold, and how often equal models are called different.

Everything is drawn from a given seed, so that a table is the same each time. Times are about 1 s.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archbench.measure.bench.ab_test import PAIRS_PER_ROUND, ROUNDS
from archbench.measure.bench.sample_quality import correlation_flags
from archbench.statistics.pairs import Comparison, compare_pairs
from archbench.statistics.samples import grouped_median_interval, median_interval

Floats = NDArray[np.float64]

_NOISE = 0.01
_SETTLED = 200


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of all trials, the fraction whose 95% interval holds the true value, and the fraction that a flag warns of."""

    covered: float
    flagged: float


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Of all trials, the fractions with p < 0.05, with an interval that holds the ratio, and called different."""

    significant: float
    covered: float
    different: float


def autoregressive(random: np.random.Generator, count: int, correlation: float) -> Floats:
    """Return times with a median of 1 s and noise of 1%, each correlated with the one before."""
    shocks = random.normal(size=_SETTLED + count) * np.sqrt(1 - correlation**2)
    values = np.empty_like(shocks)
    value = 0.0
    for place, shock in enumerate(shocks):
        values[place] = value = correlation * value + shock
    times: Floats = 1 + _NOISE * values[_SETTLED:]
    return times


def coverage_of_one_process(count: int, correlation: float, *, trials: int, seed: int = 0) -> Coverage:
    """Return how often the interval of one process's median holds, for `count` correlated samples."""
    random = np.random.default_rng(seed)
    series = [autoregressive(random, count, correlation).tolist() for _ in range(trials)]
    intervals = [median_interval(samples) for samples in series]
    return Coverage(
        _fraction(interval.low <= 1 <= interval.high for interval in intervals),
        _fraction(bool(correlation_flags(samples)) for samples in series),
    )


def coverage_of_processes(spread: float, correlation: float, *, trials: int, seed: int = 0) -> Coverage:
    """Return how often the interval of five processes of ten samples holds; processes differ by `spread`."""
    random = np.random.default_rng(seed)

    def groups() -> list[list[float]]:
        factors = np.exp(spread * random.normal(size=5))
        return [(factor * autoregressive(random, 10, correlation)).tolist() for factor in factors]

    intervals = [grouped_median_interval(groups()) for _ in range(trials)]
    return Coverage(_fraction(interval.low <= 1 <= interval.high for interval in intervals), 0.0)


def verdicts(spread: float, ratio: float, *, trials: int, seed: int = 0) -> Verdicts:
    """Return what A/B tests conclude if B takes `ratio` times as long and processes differ by `spread`."""
    random = np.random.default_rng(seed)
    found = [_ab_test(random, spread, ratio) for _ in range(trials)]
    return Verdicts(
        _fraction(each.p_value < 0.05 for each in found),
        _fraction(each.low <= ratio <= each.high for each in found),
        _fraction(each.verdict != "no difference above the noise" for each in found),
    )


def _ab_test(random: np.random.Generator, spread: float, ratio: float) -> Comparison:
    """Return one A/B test with its floor, as `archbench bench --versus` compares."""
    a, b, again = np.exp(spread * random.normal(size=(3, ROUNDS)))

    def samples(factors: Floats) -> list[list[float]]:
        noise = 1 + _NOISE * random.normal(size=(ROUNDS, PAIRS_PER_ROUND))
        rounds: list[list[float]] = (factors[:, None] * noise).tolist()
        return rounds

    floor = compare_pairs(samples(a), samples(again)).difference
    return compare_pairs(samples(a), samples(b * ratio), floor)


def _fraction(trials: Iterable[bool]) -> float:
    return float(np.mean(list(trials)))
