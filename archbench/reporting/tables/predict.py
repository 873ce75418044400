"""The table of predictions: one row per image, its most probable classes and their probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

from archbench.reporting.table import Column, Table
from archbench.training.records import Prediction


def prediction_table(
    predictions: Sequence[Prediction], classes: Sequence[str], *, names: Sequence[str] = (), title: str = ""
) -> Table:
    """Return one row per image with columns `image, label, class_1, probability_1, class_2, …`; classes are names.

    `image` is the index in the test set; with `names` it is the image's name, and `label` is empty, being unknown.
    """
    num_classes = max((len(prediction.classes) for prediction in predictions), default=0)
    return Table(
        columns=(
            Column("image", "Image", "text" if names else "plain", 0),
            Column("label", "Is", "text", 1),
            *(column for rank in range(1, num_classes + 1) for column in _columns(rank)),
        ),
        rows=[
            _row(prediction, classes, names[index] if names else prediction.image, is_labelled=not names)
            for index, prediction in enumerate(predictions)
        ],
        title=title,
        caveats=_caveats(predictions),
    )


def _caveats(predictions: Sequence[Prediction]) -> tuple[str, ...]:
    """Return a sentence on images whose probabilities are not numbers; their cells are empty."""
    undefined = sum(not all(map(isfinite, prediction.probabilities)) for prediction in predictions)
    if not undefined:
        return ()
    return (f"the probabilities of {undefined} of {len(predictions)} images are not numbers; the model is of no use",)


def _columns(rank: int) -> tuple[Column, Column]:
    # A narrow page drops a class together with its probability, the least probable first.
    return Column(f"class_{rank}", f"Class {rank}", "text", 1 + rank), Column(
        f"probability_{rank}", f"P {rank}", "percent", 1 + rank
    )


def _row(prediction: Prediction, classes: Sequence[str], image: int | str, *, is_labelled: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"image": image, "label": classes[prediction.label] if is_labelled else None}
    pairs = zip(prediction.classes, prediction.probabilities, strict=True)
    for rank, (index, probability) in enumerate(pairs, start=1):
        row |= {f"class_{rank}": classes[index], f"probability_{rank}": probability if isfinite(probability) else None}
    return row
