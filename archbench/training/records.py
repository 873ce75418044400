"""Records of trainings: plain values in base units. Accuracies are fractions; None means unknown."""

from __future__ import annotations

from dataclasses import dataclass

from archbench.store.accuracy import Status

# The number of most probable classes that are kept for each image.
TOP = 5


@dataclass(frozen=True, slots=True)
class Epoch:
    """One row of `metrics.csv`: one model with one seed at the end of an epoch, or of the last steps.

    `train_loss` is the mean over the epoch's steps; the `validation_` figures are measured on the validation images
    after it. The test images are read once, at the end: `test_loss`, `top1` and `top5` are None in all other rows.
    `elapsed_s` is the time of training steps since the start, excluding compilation and the first steps.
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
class Chance:
    """Loss and accuracy of guessing, from the frequencies of the classes; None means unknown.

    `loss` is the entropy of the training images' classes, `top1` the share of the validation images' largest class.
    """

    loss: float | None
    top1: float | None


@dataclass(frozen=True, slots=True)
class Prediction:
    """One image: its index in the test set, its class, and the most probable classes with their probabilities.

    `classes` and `probabilities` are in descending order, five of each, or as many as there are classes.
    """

    image: int
    label: int
    classes: tuple[int, ...]
    probabilities: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the training of one model with one seed ended, and its rows of `metrics.csv`.

    `reason` explains a status other than `ok` and `chance`. `initial_spread` is the standard deviation of the scores
    over a batch of images before the first step: near 0, no information about the image reached the output. `notes`
    list how the model was adapted, divided batches, and changes of the number of threads. `final_sha256` is the digest
    of `final.pt`, empty in runs of earlier versions and where the training did not end. `skipped_steps` counts
    the steps without an update because gradients overflowed in float16.
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
    final_sha256: str = ""
    skipped_steps: int = 0
