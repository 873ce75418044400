"""The paths of a run folder.

OUT/
    run.json            arguments, configuration, and the data's name, classes, digest and chance
    environment.json    versions, hardware and settings that the figures depend on
    metrics.csv         one row per epoch of every model and seed
    accuracy.csv        one row per model
    pictures/           charts; filters and prediction sheets, also as SVG
    models/MODEL/rate-R/
        outcome.json        validation accuracy with one learning rate of the search
    models/MODEL/seed-N/
        checkpoint-STEP.pt   the last two states, until the training has ended
        initial.pt, final.pt parameters before and after
        predictions.csv      one row per test image
        outcome.json         status and figures
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from archbench.errors import OutputError
from archbench.files import plain_name


class SeedFolder:
    """The paths of one model trained with one seed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.initial = path / "initial.pt"  # weights of the first two convolutions only
        self.final = path / "final.pt"
        self.predictions = path / "predictions.csv"
        self.outcome = path / "outcome.json"


class RunFolder:
    """The paths of one run: all its models and seeds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run = path / "run.json"
        self.environment = path / "environment.json"
        self.metrics = path / "metrics.csv"
        self.accuracy = path / "accuracy.csv"
        self.pictures = path / "pictures"

    def seed(self, model: str, seed: int) -> SeedFolder:
        """Return the paths of one model, by its address, and one seed."""
        return SeedFolder(self._model(model) / f"seed-{seed}")

    def trial(self, model: str, rate: float) -> SeedFolder:
        """Return the paths of the short training of one model with one learning rate."""
        return SeedFolder(self._model(model) / f"rate-{rate:g}")

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
