from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from archbench.training.records import Prediction
from archbench.training.resolution import measured_resolution, planned_resolution, seeds_to_show


def predictions(right):
    return [[Prediction(i, 1, (1, 0) if r else (0, 1), (0.7, 0.3)) for i, r in enumerate(seed)] for seed in right]


def power(difference, seeds, seed_sd, image_sd):
    """Return the fraction of simulated comparisons in which an interval of seeds and images excludes 0."""
    random = np.random.default_rng(0)
    trials = 4000
    accuracies = random.normal(0, seed_sd, (trials, 2, seeds))
    accuracies[:, 0] += difference
    found = accuracies.mean(axis=2) @ (1, -1) + random.normal(0, image_sd, trials)
    parts = accuracies.var(axis=2, ddof=1) / seeds
    variance = parts.sum(axis=1) + image_sd**2
    freedom = variance**2 / (parts**2 / (seeds - 1)).sum(axis=1)
    return float(np.mean(np.abs(found) > stats.t.ppf(0.975, freedom) * np.sqrt(variance)))


@pytest.mark.parametrize(("difference", "seed_sd", "image_sd"), [(0.01, 0.005, 0.002), (0.02, 0.01, 0.003)])
def test_so_many_seeds_show_the_difference_in_four_of_five_comparisons(difference, seed_sd, image_sd):
    seeds = seeds_to_show(difference, seed_sd**2, image_sd**2)
    assert seeds is not None
    assert power(difference, seeds, seed_sd, image_sd) > 0.77
    assert power(difference, seeds - 1, seed_sd, image_sd) < 0.83


def test_no_seeds_show_what_the_images_cannot():
    # The error by the images alone is 1 point: 1.96 + 0.84 of it exceed 2 points.
    assert seeds_to_show(0.02, 0.0, 0.01**2) is None
    assert seeds_to_show(0.029, 0.0, 0.01**2) == 2


def test_a_plan_assumes_half_a_point_over_seeds_and_a_fifth_of_the_images():
    plan = planned_resolution(10_000)
    # sqrt(0.2 / 10,000) = 0.447 points.
    assert (plan.seed_spread, plan.image_error) == pytest.approx((0.005, 0.00447), abs=1e-5)
    assert plan.is_assumed
    assert plan.seeds[0.01] is None or plan.seeds[0.01] > plan.seeds[0.02]


def test_a_run_states_its_own_spread():
    # 100 images; accuracies 0.5 and 0.6, 0.7 and 0.7: variances 0.005 and 0, pooled 0.0025.
    right = {"a": [[i < 50 for i in range(100)], [i < 60 for i in range(100)]], "b": [[i < 70 for i in range(100)]] * 2}
    found = measured_resolution({model: predictions(seeds) for model, seeds in right.items()})
    assert found.seed_spread == pytest.approx(math.sqrt(0.0025))
    assert not found.is_assumed


def test_one_model_or_one_seed_each_has_no_spread():
    one = predictions([[True, False]])
    assert measured_resolution({"a": one}) is None
    assert measured_resolution({"a": one, "b": one}) is None
