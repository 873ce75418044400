"""The paths of a run folder.

OUT/
    run.json            arguments, configuration, and the data's name, classes, digest and chance
    environment.json    versions, hardware and settings that the figures depend on
    metrics.csv         one row per epoch of every model and seed
    accuracy.csv        one row per model
    pictures/           charts, filters and prediction sheets
    models/MODEL/seed-N/
        checkpoint-STEP.pt   the last two states, until the training has ended
        initial.pt, final.pt parameters before and after
        predictions.csv      one row per test image
        outcome.json         status and figures
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from archbench.errors import OutputError
from archbench.files import plain_name


@dataclass(frozen=True, slots=True)
class SeedFolder:
    """The files of one model trained with one seed."""

    path: Path

    @property
    def initial(self) -> Path:
        """Weights of the first two convolutions before the first step."""
        return self.path / "initial.pt"

    @property
    def final(self) -> Path:
        """Parameters and buffers after the last step."""
        return self.path / "final.pt"

    @property
    def predictions(self) -> Path:
        """The most probable classes for every test image."""
        return self.path / "predictions.csv"

    @property
    def outcome(self) -> Path:
        """Status and figures, written when the training has ended."""
        return self.path / "outcome.json"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one run: all its models and seeds."""

    path: Path

    @property
    def run(self) -> Path:
        """Arguments, configuration and data."""
        return self.path / "run.json"

    @property
    def environment(self) -> Path:
        """Versions, hardware and settings that the figures depend on."""
        return self.path / "environment.json"

    @property
    def metrics(self) -> Path:
        """One row per epoch."""
        return self.path / "metrics.csv"

    @property
    def accuracy(self) -> Path:
        """One row per model."""
        return self.path / "accuracy.csv"

    @property
    def pictures(self) -> Path:
        """The folder of charts, filters and prediction sheets."""
        return self.path / "pictures"

    def seed(self, model: str, seed: int) -> SeedFolder:
        """Return the folder of one model, by its address, and one seed."""
        return SeedFolder(self._model(model) / f"seed-{seed}")

    def begun(self, model: str, seeds: Iterable[int]) -> list[int]:
        """Return those of the seeds that a model's training has begun with: a damaged run may list millions."""
        folder = self._model(model)
        names = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
        return [seed for seed in seeds if f"seed-{seed}" in names]

    def _model(self, model: str) -> Path:
        return self.path / "models" / plain_name(model)


def make_folder(path: Path) -> None:
    """Make a folder and its parents if they do not exist. Raises OutputError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder '{path}': {error.strerror or error}") from error
