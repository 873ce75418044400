"""Write and read `run.json`: what a run was asked for, its configuration, data and models."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from archbench.errors import UsageError
from archbench.files import write_whole
from archbench.host.machine import machine
from archbench.training.config import TrainConfig
from archbench.training.data.records import Data
from archbench.training.learning_rate import RateSearch, search_from_record
from archbench.training.records import Chance
from archbench.training.run_dir.files import as_written
from archbench.training.run_dir.paths import RunFolder
from archbench.training.statistics import chance_accuracy, chance_loss

# What every reader of a run needs, and what continuing it needs besides.
_SCHEMA = {
    "asked": {},
    "plan": {"models": ["string"], "seeds": ["integer"], "data": "string", "recipe": "string", "dtype": "string"},
    "data": {
        "name": "string",
        "caveat": "string",
        "classes": ["string"],
        "shape": ["integer"],
        "mean": ["number"],
        "std": ["number"],
        "digest": "string",
        "images": {"train": "integer", "validation": "integer", "test": "integer"},
    },
}
_IDENTITY = {"run_id": "string", "started_at": "string", "machine": "string"}
# Absent from runs of earlier versions.
_CHANCE = {"loss": "number", "top1": "number"}
# Values in one image, far more than any that is trained on.
_MOST_VALUES = 2**26
_TYPES: dict[str, type | tuple[type, ...]] = {"string": str, "integer": int, "number": (int, float)}


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model as it is trained: the shape of an image and, for one image, parameters and MACs.

    `initialisation` is the scheme that drew its weights; `torch` is what the constructor draws.
    """

    input_shape: tuple[int, int, int]
    params: int
    macs: int
    notes: tuple[str, ...]
    initialisation: str


def to_record(
    config: TrainConfig, data: Data, models: Mapping[str, ModelInfo], asked: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the content of `run.json` for a new run; `asked` holds the arguments that the user gave, by name."""
    counts = {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)}
    facts = {name: getattr(data, name) for name in ("name", "caveat", "classes", "shape", "mean", "std", "digest")}
    chance = Chance(chance_loss(data.train.labels.tolist()), chance_accuracy(data.validation.labels.tolist(), 1))
    record = {
        "run_id": uuid4().hex,
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "asked": asked,
        "plan": config.to_record(),
        "data": facts | {"images": counts, "chance": asdict(chance)},
        "models": {model: asdict(info) for model, info in models.items()},
    }
    plain: dict[str, Any] = json.loads(json.dumps(record))
    return plain


def read_run(path: Path) -> dict[str, Any]:
    """Return the content of a run folder's `run.json`, checked to have what every reader needs.

    Raises UsageError if there is none, or it is damaged.
    """
    place = RunFolder(path).run
    with as_written(place):
        exists = place.is_file()
        record: Any = json.loads(place.read_text(encoding="utf-8")) if exists else None
    if not exists:
        raise UsageError(f"'{path}' holds no training run: there is no {place.name} in it")
    _require(place, record, _SCHEMA)
    _require_image_shape(place, record["data"])
    if "chance" in record["data"]:
        _require(place, record["data"]["chance"], _CHANCE, "data.chance")
    with as_written(place):
        learning_rates(record)
    return dict(record)


def write_learning_rates(path: Path, searches: Iterable[RateSearch]) -> None:
    """Set the learning rates that were chosen, in a run folder's `run.json`. Raises OutputError."""
    record = read_run(path)
    record["learning_rates"] = {search.model: search.to_record() for search in searches}
    write_whole(RunFolder(path).run, json.dumps(record, indent=1))


def learning_rates(record: Mapping[str, Any]) -> dict[str, RateSearch]:
    """Return the searches of learning rates in the content of a `run.json`, by model; none in earlier versions'."""
    return {model: search_from_record(model, search) for model, search in record.get("learning_rates", {}).items()}


def _require_image_shape(place: Path, data: Mapping[str, Any]) -> None:
    """Raise UsageError unless the shape can be that of an image, with a mean and deviation for each channel."""
    shape = data["shape"]
    if len(shape) != 3 or min(shape) < 1 or math.prod(shape) > _MOST_VALUES:
        raise UsageError(f"'{place}' is damaged: data.shape is not that of an image")
    if not len(data["mean"]) == len(data["std"]) == shape[0]:
        raise UsageError(f"'{place}' is damaged: data.mean and data.std do not have one number for each channel")


def require_identity(folder: RunFolder, record: Mapping[str, Any]) -> None:
    """Raise UsageError unless a record has what continuing the run needs."""
    _require(folder.run, record, _IDENTITY)


def _require(place: Path, value: Any, expected: Any, name: str = "") -> None:
    """Raise UsageError, naming the first entry of a record that does not have the expected type."""
    if isinstance(expected, dict):
        kind, is_valid = "object", isinstance(value, dict)
    elif isinstance(expected, list):
        (element,) = expected
        kind = f"list of {element}s"
        is_valid = isinstance(value, list) and all(isinstance(each, _TYPES[element]) for each in value)
    else:
        kind, is_valid = expected, isinstance(value, _TYPES[expected])
    if not is_valid:
        missing = f"no {name} ({kind})" if name else f"no {kind}"
        raise UsageError(f"'{place}' is damaged: there is {missing} in it, as 'archbench train' writes it")
    if isinstance(expected, dict):
        for key, inner in expected.items():
            _require(place, value.get(key), inner, f"{name}.{key}" if name else key)
