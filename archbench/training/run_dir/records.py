"""What training leaves behind: plain values in base units. Accuracies are fractions; None is not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Status = Literal["ok", "chance", "diverged", "interrupted", "failed"]
STATUSES: tuple[Status, ...] = get_args(Status)

# The most probable classes that are kept of each image.
TOP = 5


@dataclass(frozen=True, slots=True)
class Epoch:
    """One row of `metrics.csv`: where one model stood with one seed at the end of an epoch, or of the last steps.

    `train_loss` is the mean over the epoch's steps; the `validation_` figures are of the validation images, measured
    after it. The test images are read once, at the end: `test_loss`, `top1` and `top5` are None in all other rows.
    `elapsed_s` is the time spent on training steps since the start, compilation and warm-up steps left out.
    """

    model: str
    seed: int
    epoch: int
    step: int
    train_loss: float
    test_loss: float | None
    top1: float | None
    top5: float | None
    learning_rate: float
    images_per_s: float | None
    elapsed_s: float
    validation_loss: float
    validation_top1: float
    validation_top5: float


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One row of `accuracy.csv`: what one model came to over all its seeds.

    `top1_low` and `top1_high` bound the 95% interval of the mean accuracy on test images such as these; `top1_std` is
    the standard deviation over the seeds, None for a single one. `seeds` are those that reached the end, of which all
    figures are, or those that began if none did. `params` and `macs` are of the model as trained, one
    image; `images_per_s` is the median training rate, `time_s` the mean time of training steps a seed. `chance_top1`
    and `chance_top5` are what always guessing the largest classes gives.
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
    params: int
    macs: int
    images_per_s: float | None
    time_s: float | None
    status: Status
    chance_top1: float
    chance_top5: float
    peak_bytes: int | None


@dataclass(frozen=True, slots=True)
class Chance:
    """What can be had without a look at the images, by how many are of each class; None is not known.

    `loss` is the entropy of the training images' classes, `top1` the share of the validation images' largest class.
    """

    loss: float | None
    top1: float | None


@dataclass(frozen=True, slots=True)
class Prediction:
    """One test image: its place in the test set, its class, and the most probable classes with their probabilities.

    `classes` and `probabilities` are in falling order, five of each, or as many as there are classes.
    """

    image: int
    label: int
    classes: tuple[int, ...]
    probabilities: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the training of one model with one seed ended, and its rows of `metrics.csv`.

    `reason` says why the status is not ok. `initial_spread` is the standard deviation, over a batch of images, of the
    scores before the first step: where it is nearly 0, nothing of the image reached the output. `notes` are what else
    must be said: how the model was adapted, batches that went through in parts, other threads.
    """

    model: str
    seed: int
    status: Status
    reason: str
    steps: int
    epochs: tuple[Epoch, ...]
    test_loss: float | None
    top1: float | None
    top5: float | None
    images_per_s: float | None
    time_s: float
    peak_bytes: int | None
    initial_spread: float | None
    notes: tuple[str, ...] = ()
