from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from archbench.training.records import Prediction
from archbench.training.statistics import chance_accuracy, chance_loss, compare_models, status_of

LN_10 = math.log(10)


def right_answers(random, skill, num_seeds, num_images, spread):
    """Return which images each seed has right: images are hard or easy for all, and seeds luckier or not for all."""
    difficulty = random.normal(0, 1, num_images)
    luck = random.normal(0, spread, num_seeds)
    return random.random((num_seeds, num_images)) < stats.norm.cdf(skill + luck[:, None] - difficulty)


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
    assert status_of(train_losses, 20, LN_10) == status


def test_the_noise_of_batches_hides_no_chance():
    noisy = np.random.default_rng(0).normal(LN_10, 0.02, 200)
    assert status_of(noisy.tolist(), 20, LN_10) == "chance"
    assert status_of((noisy - LN_10 + math.log(2)).tolist(), 20, math.log(2)) == "chance"


def test_guessing_is_judged_by_the_shares_of_the_classes():
    # 9 of 10 in one class: always that one is right 9 times; the entropy is -(0.9 ln 0.9 + 0.1 ln 0.1) = 0.3251.
    labels = [0] * 9 + [1]
    assert chance_accuracy(labels, 1) == 0.9
    assert chance_accuracy(labels, 5) == 1.0
    assert chance_loss(labels) == pytest.approx(0.3251, abs=1e-4)
    assert chance_loss([0, 1, 2, 3] * 5) == pytest.approx(math.log(4))
    assert chance_accuracy([0, 1, 2, 3] * 5, 1) == 0.25
