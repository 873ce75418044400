"""From what is asked to what is done: a plan that can be begun, or one that was begun before."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from archbench.errors import UsageError, nearest
from archbench.files import plain_name
from archbench.training.config import Plan, differences, from_record
from archbench.training.data.augmentation import find_augmentation
from archbench.training.data.records import Data
from archbench.training.data.sources import load_data
from archbench.training.recipes import find_recipe
from archbench.training.run import Size, size_of
from archbench.training.run_dir.files import as_written
from archbench.training.run_dir.paths import RunFolder
from archbench.training.task import build
from archbench.training.time_estimate import step_time_s, steps_within, training_time_s

# What `run.json` must say for whoever reads a run, and besides for who goes on with it.
_RECORD = {
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
# Runs of earlier versions do not say it.
_CHANCE = {"loss": "number", "top1": "number"}
_TYPES: dict[str, type | tuple[type, ...]] = {"string": str, "integer": int, "number": (int, float)}

DTYPES = ("fp32", "tf32", "amp", "amp-fp16")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run is asked for, as on the command line; None and `auto` are left to defaults."""

    models: tuple[str, ...]
    data: str = "digits"
    size: str = "auto"
    epochs: float | None = None
    steps: int | None = None
    minutes: float | None = None
    recipe: str = "equal"
    seeds: int = 3
    batch: int | None = None
    augment: str = "none"
    init: str | None = None
    vary: tuple[str, ...] = ()
    dtype: str = "fp32"
    layout: str = "nchw"
    compile: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan with its data, and what each model is as it is trained."""

    plan: Plan
    data: Data
    sizes: Mapping[str, Size]


def prepare(asked: Asked, *, kind: str, threads: int, download: bool = False) -> tuple[Prepared, dict[str, float]]:
    """Return what is to be trained, and how many seconds each model may take with one seed.

    Raises UsageError, DataError, AddressError, InputError or ForwardError for what cannot be done as asked.
    """
    _require_sense(asked, kind)
    models = varied(asked.models, asked.vary)
    data = load_data(asked.data, download=download)
    plan = Plan(
        models=models,
        seeds=tuple(range(asked.seeds)),
        data=_lasting(asked.data),
        data_digest=data.digest,
        size=None if asked.size == "auto" else _size(asked.size),
        recipe=asked.recipe,
        epochs=asked.epochs or (None if asked.steps else find_recipe(asked.recipe, models[0]).epochs),
        steps=asked.steps,
        batch=asked.batch,
        augmentation=asked.augment,
        initialisation=asked.init,
        kind=kind,
        dtype=asked.dtype,
        layout=asked.layout,
        compiled=asked.compile,
        threads=threads,
    )
    for model in models:
        if plan.batch_of(model) > len(data.train):
            said = f"a batch of {plan.batch_of(model)} is more than the {len(data.train)} training images"
            raise UsageError(f"{said}; give a smaller --batch")
    sizes = {model: size_of(build(plan, model, 0, data.shape, data.num_classes)) for model in models}
    step_s = {model: step_time_s(plan, model, data) for model in models}
    if asked.minutes is not None:
        plan = replace(plan, epochs=None, steps=steps_within(plan, data, step_s, 60 * asked.minutes))
    seconds = {model: training_time_s(plan, model, data, each) for model, each in step_s.items()}
    return Prepared(plan, data, sizes), seconds


def reopen(folder: RunFolder, given: Mapping[str, Any], *, kind: str, threads: int) -> Prepared:
    """Return what a folder's run trains. `given` is what is asked for now by name, of which nothing may differ.

    Raises UsageError for a folder without a run, or where something differs.
    """
    record = read_run(folder.path)
    _require(folder.run, record, _IDENTITY)
    # Of the images only what they are must be the same, not where they lie.
    held = {name: value for name, value in given.items() if name != "data"}
    found = differences({name: record["asked"].get(name) for name in held}, held)
    if found:
        raise UsageError(f"'{folder.path}' was begun otherwise: {'; '.join(found)}")
    plan = replace(from_record(record["plan"]), kind=kind, threads=threads)
    plan = replace(plan, data=_lasting(given["data"])) if "data" in given else plan
    data = load_data(plan.data)
    if data.digest != plan.data_digest:
        raise UsageError(f"'{folder.path}' was begun with other images than '{plan.data}' has now")
    sizes = {model: size_of(build(plan, model, 0, data.shape, data.num_classes)) for model in plan.models}
    return Prepared(plan, data, sizes)


def read_run(path: Path) -> dict[str, Any]:
    """Return what a folder's `run.json` says, all that anybody reads of it being there.

    Raises UsageError if there is none, or it is damaged.
    """
    place = RunFolder(path).run
    with as_written(place):
        is_there = place.is_file()
        record: Any = json.loads(place.read_text(encoding="utf-8")) if is_there else None
    if not is_there:
        raise UsageError(f"'{path}' holds no training run: there is no {place.name} in it")
    _require(place, record, _RECORD)
    if "chance" in record["data"]:
        _require(place, record["data"]["chance"], _CHANCE, "data.chance")
    return dict(record)


def _require(place: Path, value: Any, expected: Any, name: str = "") -> None:
    """Raise UsageError, naming the first value of a record that is not of the kind that is expected."""
    if isinstance(expected, dict):
        kind, is_right = "object", isinstance(value, dict)
    elif isinstance(expected, list):
        (of,) = expected
        kind = f"list of {of}s"
        is_right = isinstance(value, list) and all(isinstance(one, _TYPES[of]) for one in value)
    else:
        kind, is_right = expected, isinstance(value, _TYPES[expected])
    if not is_right:
        what = f"no {name} ({kind})" if name else f"no {kind}"
        raise UsageError(f"'{place}' is damaged: there is {what} in it, as 'archbench train' writes it")
    if isinstance(expected, dict):
        for key, inner in expected.items():
            _require(place, value.get(key), inner, f"{name}.{key}" if name else key)


def varied(models: Sequence[str], variations: Sequence[str]) -> tuple[str, ...]:
    """Return each model in every combination of the forms: `activation=relu,tanh` makes two addresses of one.

    Raises UsageError for a malformed variation, or where no model is named.
    """
    if not models:
        raise UsageError("name a model to train, such as lenet, or a run to go on with: --resume DIR")
    found = list(dict.fromkeys(models))
    for variation in variations:
        name, equals, values = variation.partition("=")
        if not name.isidentifier() or not equals or not all(values.split(",")):
            raise UsageError(f"--vary {variation} names no forms; write for example activation=relu,sigmoid")
        found = [_with_argument(model, name, value) for model in found for value in values.split(",")]
    return _told_apart(tuple(dict.fromkeys(found)))


def _with_argument(model: str, name: str, value: str) -> str:
    """Return a model's address with an argument, in place of the one of that name."""
    target, _, text = model.partition("?")
    others = [part for part in text.split("&") if part and part.partition("=")[0] != name]
    return f"{target}?{'&'.join((*others, f'{name}={value}'))}"


def _told_apart(models: tuple[str, ...]) -> tuple[str, ...]:
    """Return the models. Raises UsageError for two whose files would have one name."""
    names: dict[str, str] = {}
    for model in models:
        other = names.setdefault(plain_name(model), model)
        if other != model:
            raise UsageError(
                f"{other} and {model} would share the folder '{plain_name(model)}'; train them in two runs"
            )
    return models


def _require_sense(asked: Asked, kind: str) -> None:
    """Raise UsageError for what cannot go together, before anything is loaded."""
    lengths = {"--epochs": asked.epochs, "--steps": asked.steps, "--minutes": asked.minutes}
    said = [name for name, value in lengths.items() if value is not None]
    if len(said) > 1:
        raise UsageError(f"{' and '.join(said)} both say how long to train; leave out all but one")
    for name in said:
        value = lengths[name]
        if value is None or not 0 < value < math.inf:
            raise UsageError(f"{name} {value} is no length of a training; give a number above 0")
    if asked.dtype not in DTYPES:
        if asked.dtype in ("bf16", "fp16"):
            other = "amp" if asked.dtype == "bf16" else "amp-fp16"
            raise UsageError(
                f"--dtype {asked.dtype} would round small updates away; {other} computes so, and keeps 32 bits"
            )
        raise UsageError(f"--dtype {asked.dtype} is none of {', '.join(DTYPES)}{nearest(asked.dtype, DTYPES)}")
    if asked.dtype == "tf32" and kind != "cuda":
        raise UsageError(f"--dtype tf32 is of NVIDIA GPUs; a {kind} has none")
    find_augmentation(asked.augment)


def _size(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise UsageError(f"--size {text} is no size; write auto, or the pixels of a side such as 64")
    return int(text)


def _lasting(source: str) -> str:
    """Return a source under which the same data is found from any folder."""
    kind, colon, place = source.partition(":")
    return f"{kind}:{Path(place).expanduser().resolve()}" if colon else source
