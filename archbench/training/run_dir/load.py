"""Read a run back from its folder, for charts, tables and the store."""

from __future__ import annotations

import csv
import hashlib
import io
import warnings
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_args, get_type_hints

import torch
from torch import Tensor

from archbench.errors import UsageError
from archbench.models.identity import resolved
from archbench.store.accuracy import Accuracy
from archbench.store.trainings import TrainingResult
from archbench.training.data.records import Data
from archbench.training.data.sources import load_data
from archbench.training.records import Chance, Epoch, Outcome, Prediction
from archbench.training.run_dir.files import as_written, read_file, read_outcome, read_predictions
from archbench.training.run_dir.paths import RunFolder
from archbench.training.run_dir.run_json import read_run
from archbench.training.statistics import chance_loss

Row = TypeVar("Row", Epoch, Accuracy)


@dataclass(frozen=True, slots=True)
class SavedRun:
    """The content of a run folder: `record` is its `run.json`, `outcomes` those of the trainings that have ended."""

    folder: RunFolder
    record: dict[str, Any]
    accuracies: tuple[Accuracy, ...]
    epochs: tuple[Epoch, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def models(self) -> list[str]:
        """The addresses of the models."""
        models: list[str] = self.record["plan"]["models"]
        return models

    @property
    def seeds(self) -> list[int]:
        """The seeds that each model is trained with."""
        seeds: list[int] = self.record["plan"]["seeds"]
        return seeds

    @property
    def data_label(self) -> str:
        """The data's name with its caveat, as everything that shows its figures must name it."""
        name, caveat = self.record["data"]["name"], self.record["data"]["caveat"]
        return caveat if caveat.startswith(name) else f"{name} ({caveat})" if caveat else str(name)

    @property
    def chance(self) -> Chance:
        """What guessing gives; for runs of earlier versions from the test images, if there are predictions."""
        chance = self.record["data"].get("chance")
        if chance is not None:
            return Chance(chance["loss"], chance["top1"])
        begun = ((model, seed) for model in self.models for seed in self.folder.begun(model, self.seeds))
        trainings = (self.predictions(model, seed) for model, seed in begun)
        labels = [prediction.label for prediction in next(filter(None, trainings), [])]
        top1 = next((row.chance_top1 for row in self.accuracies), None)
        return Chance(chance_loss(labels) if labels else None, top1)

    def to_store(self) -> list[TrainingResult]:
        """Return one row per model for the store, with an address that is valid in any working directory."""
        run = {name: self.record[name] for name in ("run_id", "started_at", "machine")}
        run |= {"recipe": self.record["plan"]["recipe"], "folder": str(self.folder.path.resolve())}
        return [TrainingResult(**run, accuracy=replace(row, model=resolved(row.model))) for row in self.accuracies]

    def load_data(self) -> Data:
        """Load the images. Raises DataError if they are missing, UsageError if they have changed."""
        data = load_data(self.record["plan"]["data"])
        if data.digest != self.record["data"]["digest"]:
            raise UsageError(f"'{self.folder.path}' was trained with other images than there are now")
        return data

    def first_complete_seed(self, model: str) -> int | None:
        """Return the first seed with which a model was trained to the end, None if there is none."""
        ended = (outcome.seed for outcome in self.outcomes if outcome.model == model and outcome.top1 is not None)
        return next(ended, None)

    def final_sha256(self, model: str, seed: int) -> str:
        """Return the digest that a training's `final.pt` had when it was written, `""` if it is unknown."""
        return next((each.final_sha256 for each in self.outcomes if (each.model, each.seed) == (model, seed)), "")

    def complete_predictions(self) -> dict[str, list[list[Prediction]]]:
        """Return the predictions of every seed for the models that were trained to the end with every seed."""
        begun = {model: self.folder.begun(model, self.seeds) for model in self.models}
        predictions = {
            model: [self.predictions(model, seed) for seed in seeds]
            for model, seeds in begun.items()
            if len(seeds) == len(self.seeds)
        }
        return {model: by_seed for model, by_seed in predictions.items() if all(by_seed)}

    def predictions(self, model: str, seed: int) -> list[Prediction]:
        """Return the predictions for the test images, none if the training did not end. Raises UsageError."""
        path = self.folder.seed(model, seed).predictions
        if not path.exists():
            return []
        predictions, images = read_predictions(path), self.record["data"]["images"]["test"]
        if len(predictions) != images:
            raise UsageError(f"'{path}' is damaged: it has {len(predictions)} test images, and there were {images}")
        return predictions


def read_saved_run(path: Path) -> SavedRun:
    """Return the content of a run folder. Raises UsageError for a folder without a run, or with damaged files."""
    record, folder = read_run(path), RunFolder(path)
    plan = record["plan"]
    outcomes = (
        read_outcome(folder.seed(model, seed).outcome)
        for model in plan["models"]
        for seed in folder.begun(model, plan["seeds"])
    )
    return SavedRun(
        folder=folder,
        record=record,
        accuracies=read_rows(folder.accuracy, Accuracy),
        epochs=read_rows(folder.metrics, Epoch),
        outcomes=tuple(outcome for outcome in outcomes if outcome is not None),
    )


def read_state(path: Path, sha256: str = "") -> dict[str, Any]:
    """Return the parameters and buffers in a file, without running code in it.

    `sha256` is the digest that the file must have, empty if it is unknown. Raises UsageError for a damaged file.
    """
    with as_written(path):
        data = read_file(path)
    if sha256 and hashlib.sha256(data).hexdigest() != sha256:
        raise UsageError(f"'{path}' has changed since it was written: its sha256 is not that in outcome.json")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what only a damaged file has
            state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch and pickle raise almost anything for damaged content
        raise UsageError(f"'{path}' is damaged: it is not what 'archbench train' writes") from error
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise UsageError(f"'{path}' is damaged: it does not hold parameters by name")
    return state


def read_rows(path: Path, kind: type[Row]) -> tuple[Row, ...]:
    """Return the records in a CSV file that `write_rows` wrote, none if it does not exist. Raises UsageError."""
    hints = get_type_hints(kind)
    parsers = {field.name: _parser(hints[field.name]) for field in fields(kind)}
    with as_written(path):
        if not path.exists():
            return ()
        rows = csv.DictReader(io.StringIO(read_file(path).decode(), newline=""))
        # Files of earlier versions lack the fields that have a default.
        return tuple(kind(**{name: parsers[name](text) for name, text in row.items()}) for row in rows)


def _parser(hint: Any) -> Any:
    """Return the function from a cell's text to a field's value: an empty cell is None where the type allows it."""
    kinds = [kind for kind in (int, float) if kind is hint or kind in get_args(hint)]
    if not kinds:
        return str
    may_be_none = NoneType in get_args(hint)
    return lambda text: None if may_be_none and text == "" else kinds[0](text)
