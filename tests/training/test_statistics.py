from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from archbench.training.run_dir.records import Epoch, Prediction
from archbench.training.statistics import (
    accuracy_interval,
    chance_accuracy,
    chance_loss,
    compare_models,
    mcnemar,
    mean_interval,
    outcome_of,
)

LN_10 = math.log(10)


def test_ten_thousand_images_bound_90_percent_by_059_points():
    # 1.96 sqrt(0.9 * 0.1 / 10,000) = 0.00588
    low, high = accuracy_interval(9000, 10_000)
    assert (high - low) / 2 == pytest.approx(0.0059, abs=5e-5)


@given(st.integers(1, 20_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
@settings(deadline=None)
def test_the_interval_of_one_network_is_scipys(case):
    right, total = case
    theirs = stats.binomtest(right, total).proportion_ci(method="wilson")
    assert accuracy_interval(right, total) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_none_and_all_right_have_an_interval_too():
    assert accuracy_interval(0, 50)[0] == 0
    assert 0 < accuracy_interval(0, 50)[1] < 0.1
    assert 0.9 < accuracy_interval(50, 50)[0] < 1
    assert accuracy_interval(50, 50)[1] == 1


def test_a_single_seed_leaves_the_images_uncertainty():
    assert mean_interval([0.9], 10_000) == pytest.approx(accuracy_interval(9000, 10_000))
    assert mean_interval([0.9, 0.9, 0.9], 10_000) == pytest.approx(accuracy_interval(9000, 10_000))


def test_many_images_leave_the_seeds_uncertainty():
    # Mean 0.9, s 0.01, and t is 4.303 for two degrees of freedom: 4.303 * 0.01 / sqrt(3) = 0.02484.
    low, high = mean_interval([0.89, 0.9, 0.91], 10**12)
    assert (low, high) == pytest.approx((0.9 - 0.02484, 0.9 + 0.02484), abs=1e-5)


def test_seeds_and_images_add_as_squares():
    low, high = mean_interval([0.89, 0.9, 0.91], 360)
    below, above = accuracy_interval(324, 360)
    assert low == pytest.approx(0.9 - math.sqrt(0.02484**2 + (0.9 - below) ** 2), abs=1e-5)
    assert high == pytest.approx(0.9 + math.sqrt(0.02484**2 + (above - 0.9) ** 2), abs=1e-5)


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
    found = mcnemar(np.array(right_a), np.array(right_b))
    assert (found.a_only, found.b_only) == (a_only, b_only)
    expected = stats.binomtest(a_only, a_only + b_only, 0.5).pvalue if a_only + b_only else 1.0
    assert found.p_value == pytest.approx(expected)


@pytest.mark.parametrize(("a_only", "b_only"), [(1, 0), (5, 1), (2, 7), (4, 4), (8, 2)])
def test_mcnemars_test_is_that_of_all_exchanges(a_only, b_only):
    # Whether A or B has an image right is exchanged in all 2^n ways; how many differ by at least as much?
    count, difference = a_only + b_only, abs(a_only - b_only)
    as_far = sum(abs(sum(signs)) >= difference for signs in product((-1, 1), repeat=count))
    found = mcnemar(np.arange(count) < a_only, np.arange(count) >= a_only)
    assert found.p_value == pytest.approx(as_far / 2**count)


def predictions(right):
    """Return the predictions of each seed: class 1 is true, and the most probable one where right."""
    return [[Prediction(i, 1, (1, 0) if r else (0, 1), (0.7, 0.3)) for i, r in enumerate(seed)] for seed in right]


def test_one_seed_each_is_judged_by_mcnemar():
    a, b = [True] * 90 + [False] * 10, [True] * 75 + [False] * 15 + [True] * 5 + [False] * 5
    (found,) = compare_models({"a": predictions([a]), "b": predictions([b])})
    # Right alone: A 15, B 5: 2 * sum of C(20, k) / 2^20 for k to 5, which is 2 * 21,700 / 1,048,576.
    assert found.p_value == pytest.approx(43_400 / 1_048_576)
    assert found.difference == pytest.approx(0.1)
    assert found.standing == "better"
    assert (found.seeds_a, found.seeds_b, found.num_images) == (1, 1, 100)


def test_several_seeds_are_judged_by_the_interval():
    random = np.random.default_rng(1)
    strong, weak = (right_answers(random, skill, 3, 1000, 0.05) for skill in (1.8, 1.0))
    (found,) = compare_models({"strong": predictions(strong), "weak": predictions(weak)})
    assert found.p_value is None
    assert found.standing == "better"
    assert found.low < found.difference < found.high
    assert found.difference == pytest.approx(strong.mean() - weak.mean())
    (turned,) = compare_models({"weak": predictions(weak), "strong": predictions(strong)})
    assert turned.standing == "worse"
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


def test_the_part_for_the_seeds_is_welchs():
    # So many images that only the seeds count: 10,000 alike but for the share of each seed.
    shares_a, shares_b = (0.5, 0.6, 0.75), (0.2, 0.21, 0.22)
    right_a, right_b = (
        [[place < share * 10_000 for place in range(10_000)] for share in s] for s in (shares_a, shares_b)
    )
    (found,) = compare_models({"a": predictions(right_a), "b": predictions(right_b)})
    theirs = stats.ttest_ind(shares_a, shares_b, equal_var=False).confidence_interval()
    by_image = np.mean(right_a, axis=0) - np.mean(right_b, axis=0)
    images = 1.96 * by_image.std() / 100
    assert (found.high - found.low) / 2 == pytest.approx(math.hypot((theirs.high - theirs.low) / 2, images), rel=1e-3)


@pytest.mark.parametrize("num_seeds", [1, 3])
def test_two_of_a_kind_are_seldom_told_apart(num_seeds):
    random = np.random.default_rng(2)
    told = 0
    for _ in range(200):
        difficulty = random.normal(0, 1, 200)
        luck = random.normal(0, 0.05, (2, num_seeds, 1))
        right = random.random((2, num_seeds, 200)) < stats.norm.cdf(1.5 + luck - difficulty)
        (found,) = compare_models({"a": predictions(right[0]), "b": predictions(right[1])})
        told += found.standing != "undecided"
    # At most 5% are expected; more than 9.5% of 200 has a probability of 0.3%. One seed knows nothing of its own luck.
    assert told <= (19 if num_seeds > 1 else 30)


def test_more_pairs_need_more_evidence():
    a, b = [True] * 90 + [False] * 10, [True] * 75 + [False] * 15 + [True] * 5 + [False] * 5
    found = compare_models({"a": predictions([a]), "b": predictions([b]), "c": predictions([a])})
    assert [(one.a, one.b) for one in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert found[0].p_value == pytest.approx(3 * 43_400 / 1_048_576)
    assert found[0].standing == "undecided"
    assert found[1].p_value == 1.0


def test_few_images_that_agree_do_not_make_certain():
    (found,) = compare_models({"a": predictions([[True] * 4] * 2), "b": predictions([[True] * 4] * 2)})
    assert found.low < 0 < found.high


def test_different_images_are_no_comparison():
    with pytest.raises(AssertionError):
        compare_models({"a": predictions([[True] * 4]), "b": predictions([[True] * 5])})


def losses(*parts):
    return [value for value, count in parts for _ in range(count)]


@pytest.mark.parametrize(
    ("train_losses", "status"),
    [
        (losses((LN_10, 200)), "chance"),
        (losses((LN_10 + 0.009, 200)), "chance"),
        (losses((LN_10 - 0.011, 200)), "ok"),
        (losses((LN_10 + 0.011, 200)), "ok"),  # worse than guessing is not stuck at it
        (losses((LN_10, 160), (1.0, 40)), "ok"),  # left chance late
        (losses((LN_10, 150), (float("nan"), 1)), "diverged"),
        (losses((LN_10, 150), (float("inf"), 1), (LN_10, 40)), "diverged"),
        (losses((LN_10, 20)), "ok"),  # ended within warm-up
        (losses((LN_10, 21)), "chance"),
        ([], "ok"),
    ],
)
def test_stuck_at_chance_is_told_apart(train_losses, status):
    assert outcome_of(train_losses, 20, LN_10) == status


def test_the_noise_of_batches_hides_no_chance():
    noisy = np.random.default_rng(0).normal(LN_10, 0.02, 200)
    assert outcome_of(noisy.tolist(), 20, LN_10) == "chance"
    assert outcome_of((noisy - LN_10 + math.log(2)).tolist(), 20, math.log(2)) == "chance"


def epoch(elapsed_s, validation_top1):
    return Epoch("lenet", 0, 1, 10, 1.0, None, None, None, 0.01, 100.0, elapsed_s, 1.0, validation_top1, 1.0)


def test_guessing_is_judged_by_the_shares_of_the_classes():
    # 9 of 10 in one class: always that one is right 9 times; the entropy is -(0.9 ln 0.9 + 0.1 ln 0.1) = 0.3251.
    labels = [0] * 9 + [1]
    assert chance_accuracy(labels, 1) == 0.9
    assert chance_accuracy(labels, 5) == 1.0
    assert chance_loss(labels) == pytest.approx(0.3251, abs=1e-4)
    assert chance_loss([0, 1, 2, 3] * 5) == pytest.approx(math.log(4))
    assert chance_accuracy([0, 1, 2, 3] * 5, 1) == 0.25
