from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from archbench.statistics.pairs import abba, compare_pairs, sign_flip_p_value


def scripted(seed: int, ratio: float, num_pairs: int = 24) -> tuple[list[float], list[float]]:
    """Return the times of A and B in ABBA order on a machine that drifts, wanders and has spikes; B's times `ratio`."""
    random = np.random.default_rng(seed)
    times: dict[str, list[float]] = {"a": [], "b": []}
    wander = 0.0
    for place, arm in enumerate(itertools.chain.from_iterable(abba(num_pairs))):
        wander = 0.8 * wander + 0.01 * random.normal()
        spike = 1.5 if random.random() < 0.02 else 1.0
        noise = 1 + 0.005 * random.normal()
        times[arm].append((ratio if arm == "b" else 1.0) * (1 + wander + 0.002 * place) * spike * noise)
    return times["a"], times["b"]


def test_the_order_is_abba():
    assert list(abba(4)) == [("a", "b"), ("b", "a"), ("a", "b"), ("b", "a")]


def test_a_seldom_differs_from_a():
    trials = [compare_pairs(*scripted(seed, ratio=1.0)) for seed in range(100)]
    # 5 are expected of a calibrated test, up to 10 in keeping with that.
    assert sum(trial.p_value < 0.05 for trial in trials) <= 10
    assert sum(trial.verdict != "no difference above the noise" for trial in trials) <= 10


def test_three_percent_are_found():
    trials = [compare_pairs(*scripted(seed, ratio=1.03)) for seed in range(100)]
    assert sum(trial.verdict == "faster" for trial in trials) >= 80
    assert not any(trial.verdict == "slower" for trial in trials)
    assert sum(trial.low <= 1.03 <= trial.high for trial in trials) >= 85


def test_a_slower_arm_is_slower():
    a, b = scripted(0, ratio=1.05)
    forth, back = compare_pairs(a, b), compare_pairs(b, a)
    assert (forth.verdict, back.verdict) == ("faster", "slower")
    assert back.ratio == pytest.approx(1 / forth.ratio)
    assert forth.num_pairs == 24


def test_a_difference_within_one_percent_is_none():
    # Certain, but small: B takes 0.8% longer in every pair.
    comparison = compare_pairs([1.0] * 20, [1.008] * 20)
    assert comparison.p_value < 0.001
    assert (comparison.low, comparison.high) == pytest.approx((1.008, 1.008))
    assert comparison.verdict == "no difference above the noise"


def test_a_difference_below_the_floor_is_none():
    a, b = scripted(1, ratio=1.03)
    again = compare_pairs(*scripted(2, ratio=1.0))
    assert compare_pairs(a, b, floor=0.05).verdict == "no difference above the noise"
    assert compare_pairs(a, b, floor=0.05).floor == 0.05
    assert again.difference == max(again.high - 1, 1 / again.low - 1)


def test_an_interval_alone_does_not_make_a_difference():
    # A quarter of the pairs say the contrary, and loudly: the median and its interval do not hear them, the test does.
    comparison = compare_pairs([1.0] * 20, [1.03] * 15 + [0.5] * 5)
    assert comparison.low > 1.01
    assert comparison.p_value > 0.05
    assert comparison.verdict == "no difference above the noise"


def test_the_sign_flip_test_counts_all_signs():
    # Of 2^6 choices of signs only all + and all - are as one-sided: 2 / 64.
    assert sign_flip_p_value(np.full(6, 0.1)) == pytest.approx(2 / 64, abs=0.01)
    assert sign_flip_p_value(np.zeros(20)) == 1.0
    # 1 + 2 + 3 + 4 + 5 - 6 = 9 is reached in both directions by 14 choices each of 64: sums of + ranks of 15 and more.
    assert sign_flip_p_value(np.array([0.1, 0.2, 0.3, 0.4, 0.5, -0.6])) == pytest.approx(28 / 64, abs=0.03)


def test_the_sign_flip_test_agrees_with_scipy():
    from scipy import stats

    differences = np.random.default_rng(4).normal(0.4, 1.0, size=24)
    theirs = stats.wilcoxon(differences, method="exact").pvalue
    assert sign_flip_p_value(differences) == pytest.approx(theirs, abs=0.02)


def test_one_interruption_does_not_hide_a_difference():
    assert sign_flip_p_value(np.array([0.03] * 19 + [-2.0])) < 0.01


def test_the_ratio_is_of_pairs():
    a, b = [1.0, 2.0, 4.0] * 7, [2.0, 4.0, 8.0] * 7
    comparison = compare_pairs(a, b)
    assert math.isclose(comparison.ratio, 2.0)
    assert math.isclose(comparison.low, 2.0)
    assert math.isclose(comparison.high, 2.0)


@pytest.mark.parametrize(("a", "b"), [([1.0] * 20, [1.0] * 21), ([1.0] * 19, [1.0] * 19), ([1.0] * 20, [0.0] * 20)])
def test_too_few_or_invalid_pairs_are_refused(a, b):
    with pytest.raises(ValueError, match=r"pairs|not positive"):
        compare_pairs(a, b)
