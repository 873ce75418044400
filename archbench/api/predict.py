"""Predict the classes of images with a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from archbench.api.load_run import load_run
from archbench.reporting.training_run import Predictions, TrainingRun

if TYPE_CHECKING:
    from torch import Tensor


def predict(
    run: TrainingRun | str | Path,
    images: str | Path | Sequence[str | Path] | Tensor,
    *,
    model: str | None = None,
    seed: int = 0,
) -> Predictions:
    """Return the five most probable classes of images, by a model of a training run.

    Args:
        run: A training run or its folder.
        images: Paths of image files, of which the central square is resized to the size of the training images, or a
            uint8 tensor of N×C×H×W in the shape of the training images.
        model: The model's address in the run; None is the one of the highest mean accuracy.
        seed: Which of the model's trainings predicts.

    Returns:
        One row per image. `save("sheet.png")` draws the images with their predictions.

    Raises:
        UsageError: The run has no such model or seed that was trained to the end.
        DataError: An image cannot be read.
        InputError: A tensor does not have the shape of the training images.

    Example:
        >>> archbench.predict("runs/lenet-digits", ["three.png"]).save("three-predicted.png")
    """
    run = run if isinstance(run, TrainingRun) else load_run(run)
    return run.predict(images, model=model, seed=seed)
