"""Accuracy over seeds, and detection of models that did not learn."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence

from archbench.statistics.proportions import (
    mean_interval,
    wilson_interval,
)
from archbench.store.accuracy import Accuracy, Status
from archbench.training.data.records import Data
from archbench.training.records import TOP, Outcome, Prediction

# A model has the worst status of its seeds.
_WORST_FIRST: tuple[Status, ...] = ("interrupted", "failed", "diverged", "chance", "ok")


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


def status_of(train_losses: Sequence[float], predictions: Sequence[Prediction]) -> Status:
    """Return `diverged` if a loss is not finite, `chance` if the test accuracy may be that of guessing, else `ok`."""
    if not all(map(math.isfinite, train_losses)):
        return "diverged"
    return "chance" if is_at_chance(predictions) else "ok"


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
