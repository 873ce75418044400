"""Accuracy over seeds, comparison of models by their predictions, and detection of models that did not learn."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from archbench.statistics.proportions import (
    Correct,
    difference_half_width,
    mcnemar,
    mean_interval,
    wilson_interval,
)
from archbench.statistics.quantiles import CONFIDENCE
from archbench.store.accuracy import Accuracy, Status
from archbench.training.data.records import Data
from archbench.training.records import TOP, Outcome, Prediction

# The fraction of the steps after warm-up that decides whether a model is stuck at chance: the last quarter.
_LAST_PART = 0.25
_CHANCE_TOLERANCE = 0.01

# A model has the worst status of its seeds.
_WORST_FIRST: tuple[Status, ...] = ("interrupted", "failed", "diverged", "chance", "ok")

Standing = Literal["better", "worse", "undecided"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Model A against model B on the same test images; `standing` is A's.

    `difference` is A's mean top-1 accuracy minus B's; `low` and `high` bound its interval. Where several pairs are
    compared, all intervals hold together with 95% (Bonferroni). `p_value` is McNemar's, for one seed each, likewise
    multiplied by the number of pairs; None for several seeds, where the interval decides.
    """

    a: str
    b: str
    seeds_a: int
    seeds_b: int
    num_images: int
    num_pairs: int
    difference: float
    low: float
    high: float
    p_value: float | None
    standing: Standing


def accuracy_of(
    outcomes: Sequence[Outcome], data: Data, *, input_shape: str, params: int, macs: int, steps_per_epoch: int
) -> Accuracy:
    """Return one model's row from the outcomes of its seeds: the figures of those that reached the end, if any did."""
    completed = [outcome for outcome in outcomes if outcome.top1 is not None and outcome.top5 is not None]
    counted = completed or outcomes
    labels = data.test.labels.tolist()
    top1s = [outcome.top1 for outcome in completed if outcome.top1 is not None]
    top5s = [outcome.top5 for outcome in completed if outcome.top5 is not None]
    low, high = mean_interval(top1s, len(data.test)) if top1s else (None, None)
    rates = [outcome.images_per_s for outcome in counted if outcome.images_per_s is not None]
    peaks = [outcome.peak_bytes for outcome in outcomes if outcome.peak_bytes is not None]
    return Accuracy(
        model=outcomes[0].model,
        data=data.name,
        input_shape=input_shape,
        epochs=statistics.fmean(outcome.steps for outcome in counted) / steps_per_epoch,
        seeds=len(counted),
        top1_mean=statistics.fmean(top1s) if top1s else None,
        top1_std=statistics.stdev(top1s) if len(top1s) > 1 else None,
        top1_low=low,
        top1_high=high,
        top5_mean=statistics.fmean(top5s) if top5s else None,
        params=params,
        macs=macs,
        images_per_s=statistics.median(rates) if rates else None,
        time_s=statistics.fmean(outcome.time_s for outcome in counted) or None,
        status=min((outcome.status for outcome in outcomes), key=_WORST_FIRST.index),
        chance_top1=chance_accuracy(labels, 1),
        chance_top5=chance_accuracy(labels, TOP),
        peak_bytes=max(peaks, default=None),
    )


def compare_models(predictions: Mapping[str, Sequence[Sequence[Prediction]]]) -> list[Comparison]:
    """Return a comparison for every pair of models, each given as the predictions of its seeds.

    With one seed each, McNemar's test decides, and the result holds for these two networks. Otherwise the interval of
    the difference decides. A model with a single seed adds nothing to the seeds' part of the interval, so the result
    holds for that one network only. All predictions must be for the same images, in the same order.
    """
    correct = {model: _correct(seeds) for model, seeds in predictions.items()}
    pairs = list(combinations(correct, 2))
    return [_comparison(a, b, correct[a], correct[b], len(pairs)) for a, b in pairs]


def status_of(train_losses: Sequence[float], warmup_steps: int, loss_of_chance: float) -> Status:
    """Return `diverged`, `chance` or `ok` for a training, from the losses of its steps.

    `diverged`: a loss is not finite. `chance`: the mean of the last quarter of the steps after warm-up is within 0.01
    of the loss of guessing. The mean, because the loss of one batch is noisy; the last quarter, because some models
    leave chance late. A training that ended within warm-up is `ok`.
    """
    if not all(math.isfinite(loss) for loss in train_losses):
        return "diverged"
    losses = train_losses[warmup_steps:]
    if not losses:
        return "ok"
    last = losses[-max(1, round(_LAST_PART * len(losses))) :]
    return "chance" if abs(math.fsum(last) / len(last) - loss_of_chance) < _CHANCE_TOLERANCE else "ok"


def is_at_chance(predictions: Sequence[Prediction]) -> bool:
    """Return whether the 95% interval of the test accuracy reaches down to that of guessing the largest class."""
    right = sum(prediction.classes[0] == prediction.label for prediction in predictions)
    low, _ = wilson_interval(right / len(predictions), len(predictions))
    return low <= chance_accuracy([prediction.label for prediction in predictions], 1)


def chance_loss(labels: Sequence[int]) -> float:
    """Return the smallest loss that ignores the images: the entropy of the classes, ln K if they are equal."""
    shares = [count / len(labels) for count in Counter(labels).values()]
    return -math.fsum(share * math.log(share) for share in shares)


def chance_accuracy(labels: Sequence[int], guesses: int) -> float:
    """Return the best accuracy that ignores the images: the share of the `guesses` largest classes."""
    return sum(count for _, count in Counter(labels).most_common(guesses)) / len(labels)


def _comparison(a: str, b: str, correct_a: Correct, correct_b: Correct, num_pairs: int) -> Comparison:
    assert correct_a.shape[1] == correct_b.shape[1], "models are compared on the same images"
    difference = float(correct_a.mean() - correct_b.mean())
    width = difference_half_width(correct_a, correct_b, 1 - (1 - CONFIDENCE) / num_pairs)
    low, high = max(-1.0, difference - width), min(1.0, difference + width)
    p_value = None
    is_significant = not low <= 0 <= high
    if len(correct_a) == len(correct_b) == 1:
        p_value = min(1.0, num_pairs * mcnemar(correct_a[0], correct_b[0]))
        is_significant = p_value < 1 - CONFIDENCE
    standing: Standing = "undecided" if not is_significant else "better" if difference > 0 else "worse"
    return Comparison(
        a, b, len(correct_a), len(correct_b), correct_a.shape[1], num_pairs, difference, low, high, p_value, standing
    )


def _correct(seeds: Sequence[Sequence[Prediction]]) -> Correct:
    """Return for each seed (row) and image (column) whether the most probable class is the true one."""
    first = [(prediction.image, prediction.label) for prediction in seeds[0]]
    for seed in seeds:
        assert [(prediction.image, prediction.label) for prediction in seed] == first, "seeds see the same images"
    return np.array([[prediction.classes[0] == prediction.label for prediction in seed] for seed in seeds])
