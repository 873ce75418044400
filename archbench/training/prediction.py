"""What a trained model says of images that nobody labelled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from archbench.errors import DataError, UsageError, nearest
from archbench.training.config import from_record
from archbench.training.data.batches import Batches
from archbench.training.data.records import Images
from archbench.training.evaluation import evaluate
from archbench.training.learner import scores_of
from archbench.training.run_dir.load import FinishedRun, read_state
from archbench.training.run_dir.records import Prediction
from archbench.training.task import build


def chosen_model(run: FinishedRun, model: str | None) -> str:
    """Return the model that was asked for, or the one that came to the highest mean accuracy.

    Raises UsageError, naming the nearest, for one that the run does not have, or where none came to the end.
    """
    ended = {row.model: row.top1_mean for row in run.accuracies if row.top1_mean is not None}
    if model is None:
        if not ended:
            raise UsageError(f"'{run.folder.path}' has no model that was trained to the end")
        return max(ended, key=lambda name: ended[name] or 0.0)
    if model not in ended:
        raise UsageError(f"the run has no model '{model}' that was trained to the end{nearest(model, ended)}")
    return model


def predict(run: FinishedRun, model: str, seed: int, images: Tensor) -> list[Prediction]:
    """Return what a model of a run says of images, uint8 (N, C, H, W) in the data's shape; their labels are -1.

    Raises UsageError for a seed that was not trained to the end.
    """
    folder = run.folder.seed(model, seed)
    if not folder.final.exists():
        seeds = ", ".join(str(each) for each in run.record["plan"]["seeds"])
        raise UsageError(f"{model} was not trained to the end with seed {seed}; there are {seeds}")
    data, plan = run.record["data"], from_record(run.record["plan"])
    adapted = build(plan, model, seed, tuple(data["shape"]), len(data["classes"]))
    try:
        adapted.model.load_state_dict(read_state(folder.final))
    except RuntimeError as error:
        raise UsageError(f"{model} is no longer what was trained: its parameters differ") from error
    adapted.model.eval()
    channels, *size = adapted.input_shape
    batches = Batches(
        Images(images, torch.zeros(len(images), dtype=torch.int64)),
        batch=min(64, len(images)),
        mean=data["mean"],
        std=data["std"],
        size=(size[0], size[1]),
        channels=channels,
        device="cpu",
    )
    _, found = evaluate(lambda inputs: scores_of(adapted.model(inputs)), batches.in_order())
    return [Prediction(one.image, -1, one.classes, one.probabilities) for one in found]


def read_images(paths: Sequence[Path], shape: tuple[int, int, int]) -> Tensor:
    """Return pictures as the data has them, uint8 (N, C, H, W): their middle square, scaled, in colour or grey.

    Raises DataError for the first that cannot be read.
    """
    return torch.stack([_read(path, shape) for path in paths])


def _read(path: Path, shape: tuple[int, int, int]) -> Tensor:
    from PIL import Image, ImageOps, UnidentifiedImageError

    channels, height, width = shape
    try:
        with Image.open(path) as file:
            picture = ImageOps.exif_transpose(file).convert("L" if channels == 1 else "RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise DataError(f"'{path}' is no image that can be read") from error
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror or error}") from error
    fitted = ImageOps.fit(picture, (width, height), Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.asarray(fitted).copy())
    return pixels[None] if channels == 1 else pixels.permute(2, 0, 1)
