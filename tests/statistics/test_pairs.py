from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from archbench.statistics.pairs import abba, compare_pairs

Rounds = list[list[float]]


def scripted(seed: int, ratio: float, num_rounds: int = 7, num_pairs: int = 3) -> tuple[Rounds, Rounds]:
    """Return rounds of A and B in ABBA order on a machine that drifts, wanders and has spikes; B's times `ratio`."""
    random = np.random.default_rng(seed)
    rounds: dict[str, Rounds] = {"a": [], "b": []}
    wander = 0.0
    for number in range(num_rounds):
        rounds["a"].append([])
        rounds["b"].append([])
        for place, arm in enumerate(itertools.chain.from_iterable(abba(num_pairs, is_b_first=number % 2 == 1))):
            wander = 0.8 * wander + 0.01 * random.normal()
            spike = 1.5 if random.random() < 0.02 else 1.0
            noise = 1 + 0.005 * random.normal()
            drift = 0.002 * (2 * num_pairs * number + place)
            rounds[arm][-1].append((ratio if arm == "b" else 1.0) * (1 + wander + drift) * spike * noise)
    return rounds["a"], rounds["b"]


def test_the_order_is_abba_and_the_first_alternates():
    assert list(abba(3)) == [("a", "b"), ("b", "a"), ("a", "b")]
    assert list(abba(3, is_b_first=True)) == [("b", "a"), ("a", "b"), ("b", "a")]


def test_a_seldom_differs_from_a():
    trials = [compare_pairs(*scripted(seed, ratio=1.0)) for seed in range(100)]
    # 5 are expected of a calibrated test, up to 10 in keeping with that.
    assert sum(trial.p_value < 0.05 for trial in trials) <= 10
    assert sum(trial.verdict != "no difference above the noise" for trial in trials) <= 10


def test_five_percent_are_found():
    trials = [compare_pairs(*scripted(seed, ratio=1.05)) for seed in range(100)]
    assert sum(trial.verdict == "faster" for trial in trials) >= 80
    assert not any(trial.verdict == "slower" for trial in trials)
    assert sum(trial.low <= 1.05 <= trial.high for trial in trials) >= 88


def test_a_slower_arm_is_slower():
    a, b = scripted(0, ratio=1.05)
    forth, back = compare_pairs(a, b), compare_pairs(b, a)
    assert (forth.verdict, back.verdict) == ("faster", "slower")
    assert back.ratio == pytest.approx(1 / forth.ratio)
    assert (forth.num_rounds, forth.num_pairs) == (7, 21)


def test_a_difference_within_one_percent_is_none():
    # Certain, but small: B takes 0.8% longer in every pair.
    comparison = compare_pairs([[1.0] * 3] * 7, [[1.008] * 3] * 7)
    assert comparison.p_value < 0.001
    assert (comparison.low, comparison.high) == pytest.approx((1.008, 1.008))
    assert comparison.verdict == "no difference above the noise"


def test_a_difference_below_the_floor_is_none():
    a, b = scripted(1, ratio=1.03)
    again = compare_pairs(*scripted(2, ratio=1.0))
    assert compare_pairs(a, b, floor=0.05).verdict == "no difference above the noise"
    assert compare_pairs(a, b, floor=0.05).floor == 0.05
    assert again.difference == max(again.high - 1, 1 / again.low - 1)


def test_interval_and_p_are_those_of_student_s_test_of_the_rounds():
    a, b = scripted(3, ratio=1.02)
    logs = [np.median(np.log(np.divide(*pair))) for pair in zip(b, a, strict=True)]
    theirs = stats.ttest_1samp(logs, 0.0)
    found = compare_pairs(a, b)
    assert found.p_value == pytest.approx(theirs.pvalue)
    bounds = theirs.confidence_interval(0.95)
    assert (math.log(found.low), math.log(found.high)) == pytest.approx((bounds.low, bounds.high))


def test_one_interruption_does_not_hide_a_difference():
    # One block of 21 takes three times as long: the median of its round does not hear it.
    b = [[1.05, 1.051, 1.049]] * 6 + [[1.05, 3.0, 1.049]]
    assert compare_pairs([[1.0] * 3] * 7, b).verdict == "faster"


def test_pairs_of_one_process_do_not_count_as_independent():
    # In one round of seven B's process is 30% slower, in all 30 of its pairs: that may be chance.
    b = [[1.0] * 30] * 6 + [[1.3] * 30]
    found = compare_pairs([[1.0] * 30] * 7, b)
    assert found.p_value > 0.3
    assert found.low < 1 < found.high


def test_the_ratio_is_of_pairs():
    comparison = compare_pairs([[1.0, 2.0, 4.0]] * 7, [[2.0, 4.0, 8.0]] * 7)
    assert (comparison.ratio, comparison.low, comparison.high) == pytest.approx((2.0, 2.0, 2.0))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([[1.0]] * 7, [[1.0]] * 6),
        ([[1.0]] * 4, [[1.0]] * 4),
        ([[1.0, 1.0]] * 7, [[1.0]] * 7),
        ([[]] * 7, [[]] * 7),
        ([[1.0]] * 7, [[0.0]] * 7),
    ],
)
def test_too_few_or_invalid_rounds_are_refused(a, b):
    with pytest.raises(ValueError, match=r"rounds|not positive"):
        compare_pairs(a, b)
