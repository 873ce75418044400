"""How many seeds show a small difference of accuracies: before a run by assumption, after it from its own spread."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from archbench.statistics.proportions import Uncertainty, difference_uncertainty, pooled_seed_variance
from archbench.training.comparison import correct_of
from archbench.training.records import Prediction

_USUAL_SPREAD = 0.005
_USUAL_DISAGREEMENT = 0.2
_SHOWN_DIFFERENCES = (0.01, 0.02)
_POWER = 0.8
_MOST_SEEDS = 100


@dataclass(frozen=True, slots=True)
class Resolution:
    """What differences a comparison of two models can show, each with its number of seeds.

    `seed_spread` is the standard deviation of an accuracy over seeds, `image_error` the standard error of a difference
    that the sample of test images causes; `is_assumed` states that both are assumptions. `seeds` maps a difference of
    accuracies to the least number of seeds per model that shows it in 80% of comparisons, None if no number does.
    """

    num_images: int
    seed_spread: float
    image_error: float
    is_assumed: bool
    seeds: Mapping[float, int | None]


def measured_resolution(predictions: Mapping[str, Sequence[Sequence[Prediction]]]) -> Resolution | None:
    """Return the resolution of a comparison from its own spread; None for one model, or one seed each."""
    correct = [correct_of(seeds) for seeds in predictions.values()]
    pooled = pooled_seed_variance(correct)
    if len(correct) < 2 or pooled is None:
        return None
    pairs = [difference_uncertainty(a, b) for a, b in combinations(correct, 2)]
    images = statistics.fmean(pair.images for pair in pairs)
    return _resolution(correct[0].shape[1], pooled[0], images, is_assumed=False)


def planned_resolution(num_images: int) -> Resolution:
    """Return the resolution to expect of a comparison on so many test images, before anything is trained.

    Assumes a spread over seeds of half a point, and that two models differ on a fifth of the images.
    """
    return _resolution(num_images, _USUAL_SPREAD**2, _USUAL_DISAGREEMENT / num_images, is_assumed=True)


def seeds_to_show(difference: float, seed_variance: float, image_variance: float) -> int | None:
    """Return the least number of seeds per model that shows a difference in 80% of comparisons; None above 100.

    The difference must exceed the half-width of the 95% interval by the quantile of the power.
    """
    for seeds in range(2, _MOST_SEEDS + 1):
        uncertainty = Uncertainty([(seed_variance / seeds, seeds - 1)] * 2, image_variance)
        # Half of the error is on each side of a two-sided interval of 60%, so its upper end is the quantile of 80%.
        if uncertainty.half_width() + uncertainty.half_width(2 * _POWER - 1) <= difference:
            return seeds
    return None


def _resolution(num_images: int, seed_variance: float, image_variance: float, *, is_assumed: bool) -> Resolution:
    seeds = {points: seeds_to_show(points, seed_variance, image_variance) for points in _SHOWN_DIFFERENCES}
    return Resolution(num_images, math.sqrt(seed_variance), math.sqrt(image_variance), is_assumed, seeds)
