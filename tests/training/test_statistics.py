from __future__ import annotations

import math

import pytest

from archbench.training.records import Prediction
from archbench.training.statistics import chance_accuracy, chance_loss, status_of


def predictions(right, total=1000):
    """Return predictions of ten equal classes of which so many are right."""
    return [
        Prediction(place, place % 10, (place % 10 if place < right else (place + 1) % 10,), (1.0,))
        for place in range(total)
    ]


@pytest.mark.parametrize(
    ("right", "status"),
    [
        (100, "chance"),
        (80, "chance"),  # worse than guessing
        (118, "chance"),  # Wilson's interval begins at 0.0994
        (119, "ok"),  # and here at 0.1004
        (130, "ok"),
        (1000, "ok"),
    ],
)
def test_chance_is_an_accuracy_whose_interval_reaches_down_to_guessing(right, status):
    assert status_of([2.3] * 100, predictions(right)) == status


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_diverged_whatever_the_accuracy(loss):
    assert status_of([2.3, loss, 2.3], predictions(900)) == "diverged"


def test_a_loss_at_chance_does_not_make_chance_of_a_better_accuracy():
    # 13.0% of 10,000 images: the interval from 12.4 to 13.7% excludes the 10% of guessing.
    assert status_of([math.log(10)] * 100, predictions(1300, total=10_000)) == "ok"


def test_guessing_is_judged_by_the_shares_of_the_classes():
    # 9 of 10 in one class: always that one is right 9 times; the entropy is -(0.9 ln 0.9 + 0.1 ln 0.1) = 0.3251.
    labels = [0] * 9 + [1]
    assert chance_accuracy(labels, 1) == 0.9
    assert chance_accuracy(labels, 5) == 1.0
    assert chance_loss(labels) == pytest.approx(0.3251, abs=1e-4)
    assert chance_loss([0, 1, 2, 3] * 5) == pytest.approx(math.log(4))
    assert chance_accuracy([0, 1, 2, 3] * 5, 1) == 0.25
