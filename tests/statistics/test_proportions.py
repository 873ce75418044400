from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from archbench.statistics.proportions import mcnemar, mean_interval, wilson_interval


def test_ten_thousand_images_bound_90_percent_by_059_points():
    # 1.96 sqrt(0.9 * 0.1 / 10,000) = 0.00588
    low, high = wilson_interval(0.9, 10_000)
    assert (high - low) / 2 == pytest.approx(0.0059, abs=5e-5)


@given(st.integers(1, 20_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
@settings(deadline=None)
def test_the_interval_of_one_network_is_scipys(case):
    right, total = case
    theirs = stats.binomtest(right, total).proportion_ci(method="wilson")
    assert wilson_interval(right / total, total) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_none_and_all_right_have_an_interval_too():
    assert wilson_interval(0, 50)[0] == 0
    assert 0 < wilson_interval(0, 50)[1] < 0.1
    assert 0.9 < wilson_interval(1, 50)[0] < 1
    assert wilson_interval(1, 50)[1] == 1


def test_a_single_seed_leaves_the_images_uncertainty():
    assert mean_interval([0.9], 10_000) == pytest.approx(wilson_interval(0.9, 10_000))
    assert mean_interval([0.9, 0.9, 0.9], 10_000) == pytest.approx(wilson_interval(0.9, 10_000))


def test_many_images_leave_the_seeds_uncertainty():
    # Mean 0.9, s 0.01, and t is 4.303 for two degrees of freedom: 4.303 * 0.01 / sqrt(3) = 0.02484.
    low, high = mean_interval([0.89, 0.9, 0.91], 10**12)
    assert (low, high) == pytest.approx((0.9 - 0.02484, 0.9 + 0.02484), abs=1e-5)


def test_variances_of_seeds_and_images_add_with_satterthwaites_degrees_of_freedom():
    # The seeds' part is 0.01² / 3 with two degrees of freedom, the images' that of Wilson's interval on each side.
    seeds = 0.01**2 / 3
    for bound, wilson in zip(mean_interval([0.89, 0.9, 0.91], 360), wilson_interval(0.9, 360), strict=True):
        variance = seeds + ((wilson - 0.9) / stats.norm.ppf(0.975)) ** 2
        freedom = variance**2 / (seeds**2 / 2)
        assert abs(bound - 0.9) == pytest.approx(stats.t.ppf(0.975, freedom) * math.sqrt(variance))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.integers(1, 10**6))
def test_the_mean_is_inside_and_all_is_a_fraction(top1s, num_images):
    low, high = mean_interval(top1s, num_images)
    assert 0 <= low <= np.mean(top1s) + 1e-12
    assert np.mean(top1s) - 1e-12 <= high <= 1


def right_answers(random, skill, num_seeds, num_images, spread):
    """Return which images each seed has right: images are hard or easy for all, and seeds luckier or not for all."""
    difficulty = random.normal(0, 1, num_images)
    luck = random.normal(0, spread, num_seeds)
    return random.random((num_seeds, num_images)) < stats.norm.cdf(skill + luck[:, None] - difficulty)


@pytest.mark.parametrize("spread", [0.0, 0.1])
@pytest.mark.parametrize("num_seeds", [2, 3, 5])
def test_the_interval_holds_the_truth_as_often_as_it_says(num_seeds, spread):
    random = np.random.default_rng(0)
    # P(e + difficulty - luck < skill) for independent normal numbers: skill / sqrt(1 + 1 + spread²).
    truth = stats.norm.cdf(1.8 / math.sqrt(2 + spread**2))
    held = 0
    for _ in range(400):
        top1s = right_answers(random, 1.8, num_seeds, 300, spread).mean(axis=1)
        low, high = mean_interval(top1s.tolist(), 300)
        held += low <= truth <= high
    # 95%, and less than 92% of 400 has a probability of 0.3%.
    assert held / 400 > 0.92


@pytest.mark.parametrize(("a_only", "b_only"), [(0, 0), (1, 0), (0, 5), (3, 9), (10, 10), (100, 150), (2000, 2300)])
def test_mcnemars_test_is_binomial(a_only, b_only):
    right_a = [True] * a_only + [False] * b_only + [True] * 7 + [False] * 3
    right_b = [False] * a_only + [True] * b_only + [True] * 7 + [False] * 3
    p_value = mcnemar(np.array(right_a), np.array(right_b))
    expected = stats.binomtest(a_only, a_only + b_only, 0.5).pvalue if a_only + b_only else 1.0
    assert p_value == pytest.approx(expected)


@pytest.mark.parametrize(("a_only", "b_only"), [(1, 0), (5, 1), (2, 7), (4, 4), (8, 2)])
def test_mcnemars_test_is_that_of_all_exchanges(a_only, b_only):
    # Whether A or B has an image right is exchanged in all 2^n ways; how many differ by at least as much?
    count, difference = a_only + b_only, abs(a_only - b_only)
    as_far = sum(abs(sum(signs)) >= difference for signs in product((-1, 1), repeat=count))
    p_value = mcnemar(np.arange(count) < a_only, np.arange(count) >= a_only)
    assert p_value == pytest.approx(as_far / 2**count)
