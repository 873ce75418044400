from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from archbench.training.comparison import compare_models
from archbench.training.records import Prediction


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


def test_several_seeds_are_judged_by_students_test():
    random = np.random.default_rng(1)
    strong, weak = (right_answers(random, skill, 3, 1000, 0.05) for skill in (1.8, 1.0))
    (found,) = compare_models({"strong": predictions(strong), "weak": predictions(weak)})
    assert found.p_value < 0.05
    assert found.standing == "better"
    assert found.low < found.difference < found.high
    assert found.difference == pytest.approx(strong.mean() - weak.mean())
    (turned,) = compare_models({"weak": predictions(weak), "strong": predictions(strong)})
    assert turned.standing == "worse"
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


def shares_right(shares, num_images):
    """Return which images each seed has right: the first ones."""
    return [[place < share * num_images for place in range(num_images)] for share in shares]


def image_variance(right_a, right_b):
    # With two pseudo-images, right for one model alone.
    by_image = np.append(np.mean(right_a, axis=0) - np.mean(right_b, axis=0), (1, -1))
    return by_image.var() / len(by_image)


def test_variances_of_seeds_and_images_add_with_satterthwaites_degrees_of_freedom():
    shares_a, shares_b = (0.5, 0.6, 0.75), (0.2, 0.21, 0.22)
    right_a, right_b = shares_right(shares_a, 1000), shares_right(shares_b, 1000)
    (found,) = compare_models({"a": predictions(right_a), "b": predictions(right_b)})
    parts = [np.var(shares, ddof=1) / 3 for shares in (shares_a, shares_b)]
    variance = sum(parts) + image_variance(right_a, right_b)
    freedom = variance**2 / sum(part**2 / 2 for part in parts)
    assert (found.high - found.low) / 2 == pytest.approx(stats.t.ppf(0.975, freedom) * math.sqrt(variance))
    assert found.p_value == pytest.approx(2 * stats.t.sf(found.difference / math.sqrt(variance), freedom))


def test_from_three_models_on_the_variance_over_seeds_is_pooled():
    shares = {"a": (0.5, 0.52), "b": (0.6, 0.68, 0.7), "c": (0.2, 0.21)}
    right = {model: shares_right(each, 500) for model, each in shares.items()}
    found = compare_models({model: predictions(each) for model, each in right.items()})[0]
    # Degrees of freedom 1 + 2 + 1; a has two seeds, b three.
    pooled = sum((len(each) - 1) * np.var(each, ddof=1) for each in shares.values()) / 4
    seeds = pooled * (1 / 2 + 1 / 3)
    variance = seeds + image_variance(right["a"], right["b"])
    freedom = variance**2 / (seeds**2 / 4)
    raw = 2 * stats.t.sf(abs(found.difference) / math.sqrt(variance), freedom)
    # Of the three differences this is the smallest: Holm leaves its p-value as it is.
    assert found.p_value == pytest.approx(raw)
    assert (found.high - found.low) / 2 == pytest.approx(stats.t.ppf(0.975, freedom) * math.sqrt(variance))


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
