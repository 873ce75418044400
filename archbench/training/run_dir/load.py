"""A run read back from its folder: what charts, tables and the store are made of."""

from __future__ import annotations

import csv
import pickle
from dataclasses import dataclass, fields
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_args, get_type_hints

import torch

from archbench.errors import UsageError
from archbench.models.identity import resolved
from archbench.store.trainings import TrainingResult
from archbench.training.data.records import Data
from archbench.training.data.sources import load_data
from archbench.training.prepare import read_run
from archbench.training.run_dir.files import as_written, read_outcome, read_predictions
from archbench.training.run_dir.paths import RunFolder
from archbench.training.run_dir.records import Accuracy, Chance, Epoch, Outcome, Prediction
from archbench.training.statistics import chance_loss

Row = TypeVar("Row", Epoch, Accuracy)


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """What is in a run's folder: `record` is its `run.json`, `outcomes` those trainings that have ended."""

    folder: RunFolder
    record: dict[str, Any]
    accuracies: tuple[Accuracy, ...]
    epochs: tuple[Epoch, ...]
    outcomes: tuple[Outcome, ...]

    def to_store(self) -> list[TrainingResult]:
        """Return a row a model as the store keeps it, by an address that names it from any folder."""
        known = {"recipe": self.record["plan"]["recipe"], "folder": str(self.folder.path.resolve())}
        known |= {name: self.record[name] for name in ("run_id", "started_at", "machine")}
        kept = {field.name for field in fields(TrainingResult)} - known.keys() - {"model"}
        return [
            TrainingResult(model=resolved(row.model), **known, **{name: getattr(row, name) for name in kept})
            for row in self.accuracies
        ]

    @property
    def data_said(self) -> str:
        """The data's name as everything must say it that shows figures of it: `digits (digits, not CIFAR)`."""
        name, caveat = self.record["data"]["name"], self.record["data"]["caveat"]
        return caveat if caveat.startswith(name) else f"{name} ({caveat})" if caveat else str(name)

    @property
    def chance(self) -> Chance:
        """What guessing gives; a run of an earlier version tells it of the test images, if any were predicted."""
        told = self.record["data"].get("chance")
        if told is not None:
            return Chance(told["loss"], told["top1"])
        plan = self.record["plan"]
        trainings = (self.predictions(model, seed) for model in plan["models"] for seed in plan["seeds"])
        labels = [one.label for one in next(filter(None, trainings), [])]
        top1 = next((row.chance_top1 for row in self.accuracies), None)
        return Chance(chance_loss(labels) if labels else None, top1)

    def load_data(self) -> Data:
        """Return the images again. Raises DataError if they are no longer there, UsageError if they are others."""
        data = load_data(self.record["plan"]["data"])
        if data.digest != self.record["data"]["digest"]:
            raise UsageError(f"'{self.folder.path}' was trained with other images than there are now")
        return data

    def first_ended(self, model: str) -> int | None:
        """Return the first seed with which a model was trained to the end, None if there is none."""
        return next((one.seed for one in self.outcomes if one.model == model and one.top1 is not None), None)

    def complete_predictions(self) -> dict[str, list[list[Prediction]]]:
        """Return the predictions of every seed, by model, of those models whose every seed came to the end."""
        seeds = self.record["plan"]["seeds"]
        found = {model: [self.predictions(model, seed) for seed in seeds] for model in self.record["plan"]["models"]}
        return {model: of_seeds for model, of_seeds in found.items() if all(of_seeds)}

    def predictions(self, model: str, seed: int) -> list[Prediction]:
        """Return what was said of each test image, nothing if that training did not end. Raises UsageError."""
        path = self.folder.seed(model, seed).predictions
        if not path.exists():
            return []
        found, images = read_predictions(path), self.record["data"]["images"]["test"]
        if len(found) != images:
            raise UsageError(f"'{path}' is damaged: it is of {len(found)} test images, and there were {images}")
        return found


def read_finished(path: Path) -> FinishedRun:
    """Return what is in a run's folder. Raises UsageError for a folder without a run, or with damaged files."""
    record, folder = read_run(path), RunFolder(path)
    plan = record["plan"]
    found = (read_outcome(folder.seed(model, seed).outcome) for model in plan["models"] for seed in plan["seeds"])
    return FinishedRun(
        folder=folder,
        record=record,
        accuracies=read_rows(folder.accuracy, Accuracy),
        epochs=read_rows(folder.metrics, Epoch),
        outcomes=tuple(outcome for outcome in found if outcome is not None),
    )


def read_state(path: Path) -> dict[str, Any]:
    """Return the parameters and buffers of a file; no code in it is run. Raises UsageError for a damaged one."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read: {error.strerror or error}") from error
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise UsageError(f"'{path}' is damaged: it is not what 'archbench train' writes") from error
    return state


def read_rows(path: Path, kind: type[Row]) -> tuple[Row, ...]:
    """Return the records of a CSV file that `write_rows` wrote, none if it is not there. Raises UsageError."""
    hints = get_type_hints(kind)
    readers = {field.name: _reader(hints[field.name]) for field in fields(kind)}
    with as_written(path):
        if not path.exists():
            return ()
        with path.open(newline="", encoding="utf-8") as file:
            return tuple(
                kind(**{name: read(row[name]) for name, read in readers.items()}) for row in csv.DictReader(file)
            )


def _reader(hint: Any) -> Any:
    """Return what makes a field's value of its text: an empty text is None where that may be."""
    kinds = [kind for kind in (int, float) if kind is hint or kind in get_args(hint)]
    if not kinds:
        return str
    may_be_none = NoneType in get_args(hint)
    return lambda text: None if may_be_none and text == "" else kinds[0](text)
