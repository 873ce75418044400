"""Configuration of a training run, and whether two runs have the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from archbench.errors import UsageError
from archbench.training.recipes import Recipe, find_recipe
from archbench.training.schedule import steps_per_epoch

# A run may continue on another device or with other threads; the last bits of its results may differ then.
_MACHINE_FIELDS = ("device", "threads", "compiled")
BY_ORIGIN = "by origin"
AUTO: Literal["auto"] = "auto"


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """What a run trains: every model with every seed, all alike.

    `data` is what `load_data` takes, `data_digest` the digest of the images, "" before they are loaded. Either `epochs`
    or `steps` is set. None stands for each model's own input as `size`, and for the recipe's value as `batch` and
    `learning_rate`; a `learning_rate` of `AUTO` is chosen for each model by a search. As `initialisation`, `BY_ORIGIN`
    is the recipe's for models with a card, such as the zoo's, and what its constructor draws for any other; None, in
    runs of earlier versions, is the recipe's for every model.
    """

    models: tuple[str, ...]
    seeds: tuple[int, ...]
    data: str
    data_digest: str
    size: int | None
    recipe: str
    epochs: float | None
    steps: int | None
    batch: int | None
    augmentation: str
    initialisation: str | None
    device: str
    dtype: str
    layout: str
    compiled: bool
    threads: int
    learning_rate: float | Literal["auto"] | None = None

    def recipe_of(self, model: str) -> Recipe:
        """Return the recipe that a model is trained by; with its own rate where one is still to be searched."""
        recipe = find_recipe(self.recipe, model)
        return replace(recipe, learning_rate=self.learning_rate) if isinstance(self.learning_rate, float) else recipe

    def batch_of(self, model: str) -> int:
        """Return the number of images per step of a model."""
        return self.batch or self.recipe_of(model).batch

    def steps_of(self, model: str, num_images: int) -> int:
        """Return the number of steps that a model is trained, given the number of training images."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None, "one of the two is set"
        return max(1, round(self.epochs * steps_per_epoch(num_images, self.batch_of(model))))

    def initialisation_of(self, model: str) -> str:
        """Return the name of the initialisation of a model, for `BY_ORIGIN` that of one with a card."""
        is_recipes = self.initialisation in (None, BY_ORIGIN)
        return self.recipe_of(model).initialisation if is_recipes else str(self.initialisation)

    def to_record(self) -> dict[str, Any]:
        """Return the fields as plain values, for `run.json`."""
        return asdict(self)

    def identity(self) -> dict[str, Any]:
        """Return the fields that must be equal where a run continues."""
        record = {name: value for name, value in asdict(self).items() if name not in _MACHINE_FIELDS}
        del record["data"]  # the digest identifies the images wherever they are
        return record


def from_record(record: Mapping[str, Any]) -> TrainConfig:
    """Return the configuration that `to_record` returned, read back from JSON.

    Raises UsageError for a record with other fields, as another version of archbench may have written it.
    """
    # Earlier runs name the device `kind`, and have the recipe's learning rate.
    values = {"learning_rate": None} | {"device" if name == "kind" else name: value for name, value in record.items()}
    differing = sorted(values.keys() ^ {field.name for field in fields(TrainConfig)})
    if differing:
        raise UsageError(f"the run was written by another version of archbench: {', '.join(differing)} differ")
    return TrainConfig(**{**values, "models": tuple(values["models"]), "seeds": tuple(values["seeds"])})


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the entries that differ between two records, as phrases such as `batch was 100, now 64`."""
    names = dict.fromkeys((*before, *now))
    return [
        f"{name} was {before.get(name)!r}, now {now.get(name)!r}"
        for name in names
        if _plain(before.get(name)) != _plain(now.get(name))
    ]


def source_digest(model: str) -> str:
    """Return an identifier of a model's code: the digest of its file, or else the version of archbench."""
    path = Path(model.partition("?")[0].rpartition(":")[0])
    if path.suffix == ".py" and path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return f"archbench {version('archbench')}"


def _plain(value: Any) -> Any:
    """Return a value as JSON gives it back."""
    return list(value) if isinstance(value, tuple) else value
