"""The accuracy of a model over its seeds: a row of `accuracy.csv`, and what the store keeps of a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Status = Literal["ok", "chance", "diverged", "interrupted", "failed"]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One row of `accuracy.csv`: one model over all its seeds.

    `top1_low` and `top1_high` bound the 95% interval of the mean accuracy on test images such as these; `top1_std` is
    the standard deviation over the seeds, None for a single one. `seeds` counts the trainings that reached the end,
    which all figures are computed from, or those that began if none did. `params` and `macs` describe the model as
    trained, for one image; `images_per_s` is the median training rate, `time_s` the mean time of training steps per
    seed, to which a search for the learning rate adds an equal share. `chance_top1` and `chance_top5` are the
    accuracies of always guessing the largest classes. Those five, `peak_bytes` and `learning_rate`, the largest of the
    schedule, are None where the store does not keep them.
    """

    model: str
    data: str
    input_shape: str
    epochs: float
    seeds: int
    top1_mean: float | None
    top1_std: float | None
    top1_low: float | None
    top1_high: float | None
    top5_mean: float | None
    params: int | None
    macs: int | None
    images_per_s: float | None
    time_s: float | None
    status: Status
    chance_top1: float | None
    chance_top5: float | None
    peak_bytes: int | None
    learning_rate: float | None = None
