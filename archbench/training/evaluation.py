"""What a model makes of images it was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, softmax

from archbench.training.run_dir.records import TOP, Prediction


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The mean loss over all images, the parts whose class is the most probable, or among the five most probable."""

    loss: float
    top1: float
    top5: float


def evaluate(
    run: Callable[[Tensor], Tensor], batches: Iterable[tuple[Tensor, Tensor]]
) -> tuple[Evaluation, list[Prediction]]:
    """Return how well `run`, which maps a batch to its scores, does, and what it says of each image, in order."""
    losses = 0.0
    predictions: list[Prediction] = []
    with torch.no_grad():
        for inputs, labels in batches:
            scores = run(inputs).float()
            losses += float(cross_entropy(scores, labels, reduction="sum"))
            predictions += predicted(scores, labels, first=len(predictions))
    count = len(predictions)
    top1 = sum(one.classes[0] == one.label for one in predictions) / count
    top5 = sum(one.label in one.classes for one in predictions) / count
    return Evaluation(losses / count, top1, top5), predictions


def predicted(scores: Tensor, labels: Tensor, first: int = 0) -> list[Prediction]:
    """Return the most probable classes of each row of N×K scores; the rows' images are numbered from `first`."""
    probabilities, classes = softmax(scores, dim=1).topk(min(TOP, scores.shape[1]), dim=1)
    rows = zip(labels.tolist(), classes.tolist(), probabilities.tolist(), strict=True)
    return [Prediction(first + place, label, tuple(c), tuple(p)) for place, (label, c, p) in enumerate(rows)]
