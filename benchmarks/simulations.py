"""Simulated measurements: how often intervals hold, and how often equal models are called different.

Everything is drawn from a given seed, so that a table is the same each time. Times are about 1 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from archbench.measure.bench.ab_test import PAIRS_PER_ROUND, ROUNDS
from archbench.measure.bench.sample_quality import correlation_flags
from archbench.statistics.pairs import Comparison, compare_pairs
from archbench.statistics.samples import grouped_median_interval, median_interval
from archbench.training import comparison as training

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


@dataclass(frozen=True, slots=True)
class TrainingVerdicts:
    """Of all trials, the fraction with a false claim about any pair; of all pairs, those covered and decided.

    `half_width` is the median half-width of the intervals, as a fraction.
    """

    false: float
    covered: float
    decided: float
    half_width: float


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


def training_verdicts(
    seeds: int, accuracies: Sequence[float], *, trials: int, spread: float = 0.005, images: int = 10_000, seed: int = 0
) -> TrainingVerdicts:
    """Return what comparisons of trained models conclude; accuracies differ by `spread` from seed to seed.

    Images are hard or easy for all models (a probit model, as for test sets of photographs).
    """
    random = np.random.default_rng(seed)
    found = [_trained(random, seeds, accuracies, spread, images) for _ in range(trials)]
    pairs = list(combinations(accuracies, 2))
    wrong = (any(_is_wrong(each, a - b) for each, (a, b) in zip(run, pairs, strict=True)) for run in found)
    held = (each.low <= a - b <= each.high for run in found for each, (a, b) in zip(run, pairs, strict=True))
    decided = (each.standing != "undecided" for run in found for each in run)
    widths = (each.high - each.low for run in found for each in run)
    return TrainingVerdicts(_fraction(wrong), _fraction(held), _fraction(decided), float(np.median(list(widths))) / 2)


def _is_wrong(found: training.Comparison, difference: float) -> bool:
    """Return whether a comparison claims the contrary of the true difference."""
    claimed = {"better": 1, "worse": -1, "undecided": 0}[found.standing]
    return claimed != 0 and claimed != np.sign(difference)


def _trained(
    random: np.random.Generator, seeds: int, accuracies: Sequence[float], spread: float, images: int
) -> list[training.Comparison]:
    # With unit variances of difficulty and of chance, an accuracy p is that of a skill of sqrt(2) times its quantile.
    difficulty = random.normal(size=images)
    right = {}
    for number, accuracy in enumerate(accuracies):
        shares = np.clip(accuracy + spread * random.normal(size=(seeds, 1)), 0.001, 0.999)
        chances = ndtr(np.sqrt(2) * ndtri(shares) - difficulty)
        right[str(number)] = random.random((seeds, images)) < chances
    return training.compare_correct(right)


def _fraction(trials: Iterable[bool]) -> float:
    return float(np.mean(list(trials)))
