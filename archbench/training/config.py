"""What a run of `archbench train` is asked to do, and whether another was asked the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

from archbench.errors import UsageError
from archbench.training.recipes import Recipe, find_recipe

# A run goes on elsewhere: on another device, or with other threads, the last bits of its figures may differ.
_OF_THE_MACHINE = ("kind", "threads", "compiled")


@dataclass(frozen=True, slots=True)
class Plan:
    """One training of every model with every seed, all alike.

    `data` is what `load_data` takes, `data_digest` that of what it gave. Either `epochs` or `steps` is given. None for
    `size` is each model's own input, for `batch` and `initialisation` the recipe's. `kind` is the device's.
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
    kind: str
    dtype: str
    layout: str
    compiled: bool
    threads: int

    def recipe_of(self, model: str) -> Recipe:
        """Return how one model is trained."""
        return find_recipe(self.recipe, model)

    def batch_of(self, model: str) -> int:
        """Return the images of one step."""
        return self.batch or self.recipe_of(model).batch

    def steps_of(self, model: str, num_images: int) -> int:
        """Return how many steps one model takes, given the number of training images."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None, "one of both is given"
        return max(1, round(self.epochs * self.steps_per_epoch(model, num_images)))

    def steps_per_epoch(self, model: str, num_images: int) -> int:
        """Return how many whole batches there are; the images left over are others in each epoch."""
        return max(1, num_images // self.batch_of(model))

    def to_record(self) -> dict[str, Any]:
        """Return the plan as plain values."""
        return asdict(self)

    def identity(self) -> dict[str, Any]:
        """Return what must be the same where a run goes on."""
        record = {name: value for name, value in asdict(self).items() if name not in _OF_THE_MACHINE}
        del record["data"]  # the digest says it better: the same images may have moved
        return record


def from_record(record: Mapping[str, Any]) -> Plan:
    """Return the plan that `to_record` returned, after a journey through JSON.

    Raises UsageError for one that another version of archbench wrote.
    """
    differing = sorted(record.keys() ^ {field.name for field in fields(Plan)})
    if differing:
        raise UsageError(f"another version of archbench planned this run: plans differ in {', '.join(differing)}")
    return Plan(**{**record, "models": tuple(record["models"]), "seeds": tuple(record["seeds"])})


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what differs between two records, in words."""
    names = dict.fromkeys((*before, *now))
    return [
        f"{name} was {before.get(name)!r}, now {now.get(name)!r}"
        for name in names
        if _plain(before.get(name)) != _plain(now.get(name))
    ]


def source_digest(model: str) -> str:
    """Return what tells one version of a model's code from another: the digest of its file, else the tool's version."""
    path = Path(model.partition("?")[0].rpartition(":")[0])
    if path.suffix == ".py" and path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return f"archbench {version('archbench')}"


def _plain(value: Any) -> Any:
    """Return a value as JSON gives it back."""
    return list(value) if isinstance(value, tuple) else value
