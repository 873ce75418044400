"""Training curves as TensorBoard logs: one run per model and seed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree

from archbench.errors import UsageError
from archbench.files import plain_name
from archbench.training.records import Epoch

_CURVES = (
    ("loss/train", "train_loss"),
    ("loss/validation", "validation_loss"),
    ("loss/test", "test_loss"),
    ("top1/validation", "validation_top1"),
    ("top1/test", "top1"),
    ("top5/validation", "validation_top5"),
    ("top5/test", "top5"),
    ("learning_rate", "learning_rate"),
    ("images_per_s", "images_per_s"),
)


def require_tensorboard() -> None:
    """Raise UsageError with the command that installs TensorBoard, if it is missing."""
    if find_spec("tensorboard") is None:
        raise UsageError("{tensorboard} requires TensorBoard (pip install 'archbench[tensorboard]')", tensorboard=...)


def write_logs(folder: Path, epochs: Sequence[Epoch]) -> None:
    """Write each model and seed to its own folder below `folder`, which is replaced."""
    from torch.utils.tensorboard import SummaryWriter

    rmtree(folder, ignore_errors=True)
    for model, seed in dict.fromkeys((row.model, row.seed) for row in epochs):
        with SummaryWriter(folder / plain_name(model) / f"seed-{seed}") as writer:
            for row in (row for row in epochs if (row.model, row.seed) == (model, seed)):
                for tag, field in _CURVES:
                    value = getattr(row, field)
                    if value is not None:
                        writer.add_scalar(tag, value, row.step)
    logging.getLogger("archbench").info("wrote logs: tensorboard --logdir %s", folder)
