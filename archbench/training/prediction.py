"""Predict the classes of a user's images with a trained model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from archbench.errors import DataError, UsageError, nearest
from archbench.models.user_context import running_user_code
from archbench.training.config import from_record
from archbench.training.data.batches import Batches
from archbench.training.data.records import Images
from archbench.training.evaluation import evaluate
from archbench.training.loss import scores_of
from archbench.training.messages import report_user_code
from archbench.training.records import Prediction
from archbench.training.run_dir.load import SavedRun, read_state
from archbench.training.seeding import preserved_random_states
from archbench.training.task import build_model

_BATCH = 64
_MOST_LISTED = 10


def chosen_model(run: SavedRun, model: str | None) -> str:
    """Return `model`, or by default the model of the highest mean accuracy.

    Raises UsageError, naming the nearest, for a model that is not in the run or was not trained to the end.
    """
    trained = {row.model: row.top1_mean for row in run.accuracies if row.top1_mean is not None}
    if model is None:
        if not trained:
            raise UsageError(f"'{run.folder.path}' has no model that was trained to the end")
        return max(trained, key=lambda name: trained[name])
    if model not in trained:
        raise UsageError(f"the run has no model '{model}' that was trained to the end{nearest(model, trained)}")
    return model


def predict(run: SavedRun, model: str, seed: int, images: Tensor) -> list[Prediction]:
    """Return a model's predictions for images, uint8 (N, C, H, W) in the shape of the data; their labels are -1.

    A model in a file is built by running the file, which the log names before. Raises UsageError for a seed that was
    not trained to the end, or a model whose parameters have changed.
    """
    folder = run.folder.seed(model, seed)
    if not folder.final.exists():
        seeds = ", ".join(map(str, run.seeds[:_MOST_LISTED])) + (", ..." if len(run.seeds) > _MOST_LISTED else "")
        raise UsageError(f"{model} was not trained to the end with seed {seed}; there are {seeds}")
    data, config = run.record["data"], from_record(run.record["plan"])
    report_user_code(run.folder.path, [model])
    with preserved_random_states():
        adapted = build_model(config, model, seed, tuple(data["shape"]), len(data["classes"]))
    try:
        adapted.model.load_state_dict(read_state(folder.final, run.final_sha256(model, seed)))
    except RuntimeError as error:
        raise UsageError(f"{model} is no longer what was trained: its parameters differ") from error
    adapted.model.eval()
    channels, height, width = adapted.input_shape
    batches = Batches(
        Images(images, torch.zeros(len(images), dtype=torch.int64)),
        batch=min(_BATCH, len(images)),
        mean=data["mean"],
        std=data["std"],
        size=(height, width),
        channels=channels,
        device="cpu",
    )
    with running_user_code():
        _, predictions = evaluate(lambda inputs: scores_of(adapted.model(inputs)), batches.in_order())
    return [replace(prediction, label=-1) for prediction in predictions]


def read_images(paths: Sequence[Path], shape: tuple[int, int, int]) -> Tensor:
    """Return image files in the shape of the data, uint8 (N, C, H, W): the central square, resized, in its channels.

    Raises DataError for the first that cannot be read.
    """
    return torch.stack([_read(path, shape) for path in paths])


def _read(path: Path, shape: tuple[int, int, int]) -> Tensor:
    from PIL import Image, ImageOps, UnidentifiedImageError

    channels, height, width = shape
    if path.exists() and not path.is_file():
        raise DataError(f"'{path}' is not a file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # only twice as many pixels are an error
            with Image.open(path) as file:
                picture = ImageOps.exif_transpose(file).convert("L" if channels == 1 else "RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise DataError(f"'{path}' is not an image that can be read") from error
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror or error}") from error
    fitted = ImageOps.fit(picture, (width, height), Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.asarray(fitted).copy())
    return pixels[None] if channels == 1 else pixels.permute(2, 0, 1)
