"""Evaluate a model on images that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, softmax

from archbench.training.records import TOP, Prediction


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The mean loss over all images, and the fractions with the right class first or among the first five."""

    loss: float
    top1: float
    top5: float


def evaluate(
    run: Callable[[Tensor], Tensor], batches: Iterable[tuple[Tensor, Tensor]]
) -> tuple[Evaluation, list[Prediction]]:
    """Return the evaluation of `run`, a function from a batch to its scores, and its prediction for each image."""
    loss = 0.0
    predictions: list[Prediction] = []
    with torch.no_grad():
        for inputs, labels in batches:
            scores = run(inputs).float()
            loss += float(cross_entropy(scores, labels, reduction="sum"))
            predictions += most_probable(scores, labels, first=len(predictions))
    count = len(predictions)
    top1 = sum(prediction.classes[0] == prediction.label for prediction in predictions) / count
    top5 = sum(prediction.label in prediction.classes for prediction in predictions) / count
    return Evaluation(loss / count, top1, top5), predictions


def most_probable(scores: Tensor, labels: Tensor, first: int = 0) -> list[Prediction]:
    """Return the most probable classes for each row of N×K scores; images are numbered from `first`."""
    probabilities, classes = softmax(scores, dim=1).topk(min(TOP, scores.shape[1]), dim=1)
    rows = zip(labels.tolist(), classes.tolist(), probabilities.tolist(), strict=True)
    return [Prediction(image, label, tuple(c), tuple(p)) for image, (label, c, p) in enumerate(rows, start=first)]
