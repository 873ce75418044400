"""What accuracies may be said to show: intervals that know both the seeds and the test images, and pairs of models.

Two things make an accuracy uncertain: another seed would have trained another network (Bouthillier et al. 2021), and
another test set would have held other images. Neither becomes smaller by more of the other, so every interval here
joins both: half-widths of independent sources add as squares, on each side by itself (Zou and Donner 2008). The spread
over seeds holds a part of the images' noise, which is so counted twice: intervals are rather too wide than too narrow.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from archbench.training.run_dir.records import Prediction, Status

# Of the steps after warm-up, the last part that is looked at to say whether a model is stuck at chance.
_LAST_PART = 0.25
_CHANCE_TOLERANCE = 0.01
_CONFIDENCE = 0.95

Interval = tuple[float, float]
Rightness = NDArray[np.bool_]
Standing = Literal["better", "worse", "undecided"]


@dataclass(frozen=True, slots=True)
class McNemar:
    """Two models on the same images: how many only one of them has right, and how likely so unequal a number is."""

    p_value: float
    a_only: int
    b_only: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Model A against model B on the same test images; the standing is A's.

    `difference` is A's mean top-1 minus B's. Low and high bound its interval; of several pairs that are compared at
    once, all intervals hold with 95% (Bonferroni). `p_value` is McNemar's, for one seed of each, likewise multiplied by
    the number of pairs; None for several seeds, where the interval decides.
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


def accuracy_interval(right: int, total: int) -> Interval:
    """Return the 95% Wilson interval (1927) of the accuracy of one network that has so many test images right."""
    return _wilson(right / total, total, _CONFIDENCE)


def mean_interval(top1s: Sequence[float], num_images: int) -> Interval:
    """Return the 95% interval of the mean accuracy over seeds, measured on one test set of so many images.

    On each side its width is sqrt(t² s² / n + w²): t is Student's for n - 1 degrees of freedom, s the standard
    deviation over the n seeds, and w the width of the Wilson interval of the mean. A single seed leaves w alone.
    """
    mean = float(np.mean(top1s))
    low, high = _wilson(mean, num_images, _CONFIDENCE)
    spread = 0.0
    if len(top1s) > 1:
        spread = _student(len(top1s) - 1, _CONFIDENCE) * float(np.std(top1s, ddof=1)) / math.sqrt(len(top1s))
    return max(0.0, mean - math.hypot(spread, mean - low)), min(1.0, mean + math.hypot(spread, high - mean))


def mcnemar(right_a: Rightness, right_b: Rightness) -> McNemar:
    """Return McNemar's exact test (1947) of two networks, given for each image whether a network has it right.

    Images that both have right, or both wrong, say nothing of a difference. Of the others each is as likely to be A's
    as B's if there is none, so their number is binomial.
    """
    from scipy.stats import binomtest

    a_only, b_only = int(np.sum(right_a & ~right_b)), int(np.sum(right_b & ~right_a))
    p_value = float(binomtest(a_only, a_only + b_only).pvalue) if a_only + b_only else 1.0
    return McNemar(p_value, a_only, b_only)


def compare_models(predictions: Mapping[str, Sequence[Sequence[Prediction]]]) -> list[Comparison]:
    """Return a comparison for every pair of models, each given as the predictions of its seeds.

    With one seed of each, McNemar's test decides, and what it finds is said of these two networks. Otherwise the
    interval of the difference decides: its part for the seeds is Welch's (1947), its part for the images that of the
    differences image by image, each the mean over the seeds. A model with a single seed adds nothing to the seeds'
    part, so of that one network only is anything said. All predictions are of the same images, in one order.
    """
    right = {model: _rightness(seeds) for model, seeds in predictions.items()}
    pairs = list(combinations(right, 2))
    return [_comparison(a, b, right[a], right[b], len(pairs)) for a, b in pairs]


def outcome_of(train_losses: Sequence[float], warmup_steps: int, loss_of_chance: float) -> Status:
    """Return how a training ended by the losses of its steps: `diverged`, `chance`, or `ok`.

    It diverged if a loss is not finite. It is stuck at chance if the mean of the last quarter of the steps after
    warm-up is within 0.01 of the loss of guessing. The mean, because the loss of one batch is noise; the last quarter,
    because some models leave chance late. What ended within warm-up is not judged.
    """
    if not all(math.isfinite(loss) for loss in train_losses):
        return "diverged"
    losses = train_losses[warmup_steps:]
    if not losses:
        return "ok"
    last = losses[-max(1, round(_LAST_PART * len(losses))) :]
    return "chance" if abs(math.fsum(last) / len(last) - loss_of_chance) < _CHANCE_TOLERANCE else "ok"


def chance_loss(labels: Sequence[int]) -> float:
    """Return the least loss without a look at the images: the entropy of the classes, ln K if all are equal."""
    shares = [count / len(labels) for count in Counter(labels).values()]
    return -math.fsum(share * math.log(share) for share in shares)


def chance_accuracy(labels: Sequence[int], guesses: int) -> float:
    """Return how often one of so many guesses is right at best without a look at the images: the largest classes."""
    return sum(count for _, count in Counter(labels).most_common(guesses)) / len(labels)


def _comparison(a: str, b: str, right_a: Rightness, right_b: Rightness, num_pairs: int) -> Comparison:
    assert right_a.shape[1] == right_b.shape[1], "models are compared on the same images"
    difference = float(right_a.mean() - right_b.mean())
    width = _difference_width(right_a, right_b, 1 - (1 - _CONFIDENCE) / num_pairs)
    low, high = max(-1.0, difference - width), min(1.0, difference + width)
    p_value = None
    is_shown = not low <= 0 <= high
    if len(right_a) == len(right_b) == 1:
        p_value = min(1.0, num_pairs * mcnemar(right_a[0], right_b[0]).p_value)
        is_shown = p_value < 1 - _CONFIDENCE
    standing: Standing = "undecided" if not is_shown else "better" if difference > 0 else "worse"
    return Comparison(
        a, b, len(right_a), len(right_b), right_a.shape[1], num_pairs, difference, low, high, p_value, standing
    )


def _difference_width(a: Rightness, b: Rightness, confidence: float) -> float:
    """Return half the width of the interval of two means' difference; seeds are rows, images columns."""
    by_image = a.mean(axis=0) - b.mean(axis=0)
    # Two more images, one that only A has right and one that only B has (Agresti and Min 2005): few images may agree
    # by chance, and must not leave an interval without width.
    count = len(by_image) + 2
    variance = (float(np.sum(by_image**2)) + 2) / count - (float(np.sum(by_image)) / count) ** 2
    images = _normal(confidence) * math.sqrt(variance / count)
    return math.hypot(images, _welch_width(a.mean(axis=1), b.mean(axis=1), confidence))


def _welch_width(a: NDArray[np.float64], b: NDArray[np.float64], confidence: float) -> float:
    """Return half the width of Welch's interval, with Satterthwaite's degrees of freedom; one seed has no spread."""
    parts = [(float(np.var(x, ddof=1)) / len(x), len(x) - 1) for x in (a, b) if len(x) > 1]
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return 0.0
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    return _student(freedom, confidence) * math.sqrt(variance)


def _rightness(seeds: Sequence[Sequence[Prediction]]) -> Rightness:
    """Return for each seed and image whether the most probable class is the true one."""
    first = [(prediction.image, prediction.label) for prediction in seeds[0]]
    for seed in seeds:
        assert [(prediction.image, prediction.label) for prediction in seed] == first, "seeds see the same images"
    return np.array([[prediction.classes[0] == prediction.label for prediction in seed] for seed in seeds])


def _wilson(share: float, total: int, confidence: float) -> Interval:
    """Return Wilson's interval of a share, which need not be a whole number of `total`."""
    z = _normal(confidence)
    middle = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    width = z / (1 + z**2 / total) * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    # At 0 and at 1 the bound is the share itself, but for rounding.
    return max(0.0, min(share, middle - width)), min(1.0, max(share, middle + width))


def _normal(confidence: float) -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + confidence) / 2))


def _student(freedom: float, confidence: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + confidence) / 2))
