"""The results of `archbench.train` and `archbench.predict`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from archbench.errors import InputError
from archbench.files import write_whole
from archbench.reporting.drawings.canvas import PICTURES, to_picture
from archbench.reporting.drawings.predictions import prediction_sheet
from archbench.reporting.export.formats import Format
from archbench.reporting.result import TableResult
from archbench.reporting.table import Table
from archbench.reporting.tables.comparison_text import verdict
from archbench.reporting.tables.predict import prediction_table
from archbench.reporting.tables.train import accuracy_table
from archbench.store.accuracy import Accuracy
from archbench.training.comparison import compare_models
from archbench.training.messages import protocol
from archbench.training.prediction import chosen_model, predict, read_images
from archbench.training.records import Epoch, Prediction
from archbench.training.resolution import measured_resolution
from archbench.training.run_dir.load import SavedRun

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, repr=False)
class TrainingRun(TableResult):
    """A training run read from its folder: one row per model.

    `comparison` holds sentences on which model learns better, and why the others cannot be compared.
    """

    run: SavedRun
    comparison: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.run.folder.path

    @property
    def accuracies(self) -> tuple[Accuracy, ...]:
        """One record per model, as in `accuracy.csv`; accuracies are fractions."""
        return self.run.accuracies

    @property
    def epochs(self) -> tuple[Epoch, ...]:
        """One record per epoch of every model and seed, as in `metrics.csv`."""
        return self.run.epochs

    @property
    def is_doubtful(self) -> bool:
        """Whether a training failed or diverged."""
        return any(row.status in ("failed", "diverged") for row in self.accuracies)

    def predict(
        self, images: str | Path | Sequence[str | Path] | Tensor, *, model: str | None = None, seed: int = 0
    ) -> Predictions:
        """Return a model's predictions for images; see `archbench.predict`."""
        name = chosen_model(self.run, model)
        data = self.run.record["data"]
        names, pixels = _named_pixels(images, tuple(data["shape"]))
        return Predictions(
            predictions=tuple(predict(self.run, name, seed, pixels)),
            names=names,
            classes=tuple(data["classes"]),
            title=f"{name} with seed {seed}, trained on {self.run.data_label}",
            pixels=pixels,
        )

    def __repr__(self) -> str:
        return f"<TrainingRun in {self.path}: {', '.join(self.run.models)} on {self.run.data_label}>"

    def to_table(self) -> Table:
        """Return one row per model, with the comparison below."""
        return accuracy_table(self.accuracies, self.run.outcomes, self.run.record, self.comparison)


@dataclass(frozen=True, repr=False)
class Predictions(TableResult):
    """The most probable classes of images: one row per image.

    Each of `predictions` has `classes`, indices into the names in `classes`, and `probabilities`, in descending order.
    """

    predictions: tuple[Prediction, ...]
    names: tuple[str, ...]
    classes: tuple[str, ...]
    title: str
    pixels: Tensor = field(compare=False)

    def to_table(self) -> Table:
        """Return one row per image: its most probable classes and their probabilities."""
        return prediction_table(self.predictions, self.classes, names=self.names, title=self.title)

    def to_svg(self) -> str:
        """Return the prediction sheet: each image with bars for its most probable classes."""
        images = [image.numpy() for image in self.pixels]
        return prediction_sheet(images, self.predictions, self.classes, title=self.title, subtitle="", names=self.names)

    def save(self, path: str | Path, format: Format | None = None, *, notes: bool = True) -> None:
        """Write the prediction sheet to a `.svg` or `.png` file, or the table to a file in another format.

        Raises UsageError for an ending that names no format, OutputError if the file cannot be written.
        """
        path = Path(path)
        if format is None and path.suffix.lower() in PICTURES:
            write_whole(path, to_picture(self.to_svg(), path.suffix.lower()))
        else:
            super().save(path, format, notes=notes)


def training_run(run: SavedRun) -> TrainingRun:
    """Return the result for the content of a run folder. Raises UsageError for damaged predictions."""
    predictions = run.complete_predictions()
    comparisons, resolution = compare_models(predictions), measured_resolution(predictions)
    return TrainingRun(run, verdict(run.accuracies, comparisons, resolution, protocol(run.record)))


def _named_pixels(
    images: str | Path | Sequence[str | Path] | Tensor, shape: tuple[int, int, int]
) -> tuple[tuple[str, ...], Tensor]:
    """Return the names of images and their pixels, uint8 (N, C, H, W) in the shape of the data."""
    import torch

    if isinstance(images, torch.Tensor):
        if images.dtype != torch.uint8 or images.shape[1:] != shape:
            expected = "x".join(map(str, shape))
            given = f"{images.dtype} of {'x'.join(map(str, images.shape))}"
            raise InputError(f"images must be a uint8 tensor of Nx{expected}, as the data has them, not {given}")
        return tuple(map(str, range(len(images)))), images
    paths = [images] if isinstance(images, str | Path) else list(images)
    if not paths:
        raise InputError("{images} is empty; give at least one image", images=...)
    return tuple(map(str, paths)), read_images([Path(path) for path in paths], shape)
