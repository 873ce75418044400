"""Prepare a run: from arguments to a configuration, then to loaded data and models that are known to run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from archbench.analyze.layers import layer_table
from archbench.errors import UsageError, choose
from archbench.files import plain_name
from archbench.models.user_context import running_user_code
from archbench.trace.tracer import trace
from archbench.training.config import BY_ORIGIN, TrainConfig, differences, from_record
from archbench.training.data.augmentation import find_augmentation
from archbench.training.data.records import Data
from archbench.training.data.sources import load_data
from archbench.training.distributed.process_group import is_first_process
from archbench.training.learning_rate import asked_rate
from archbench.training.messages import report_user_code
from archbench.training.model.adapt import Adapted
from archbench.training.recipes import find_recipe
from archbench.training.run_dir.paths import RunFolder
from archbench.training.run_dir.run_json import ModelInfo, read_run, require_identity
from archbench.training.task import build_model
from archbench.training.time_estimate import ExpectedTime, expected_time, step_time_s, steps_within

DTYPES = ("fp32", "tf32", "amp", "amp-fp16")
LAYOUTS = ("nchw", "nhwc")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that can begin: its configuration, its data, and each model by address as it is trained."""

    config: TrainConfig
    data: Data
    models: Mapping[str, ModelInfo]


def configure(
    models: Sequence[str],
    data: str,
    *,
    size: int | Literal["auto"],
    epochs: float | None,
    steps: int | None,
    minutes: float | None,
    recipe: str,
    lr: float | str | None,
    seeds: int,
    batch: int | None,
    augment: str,
    init: str | None,
    vary: Sequence[str],
    dtype: str,
    layout: str,
    compile: bool,
    device: str,
    threads: int,
) -> TrainConfig:
    """Return the configuration for the arguments of `archbench.train`, before any data is loaded.

    Raises UsageError for arguments that are not valid or do not go together.
    """
    _require_one_length(epochs=epochs, steps=steps, minutes=minutes)
    _require_dtype(dtype, device)
    find_augmentation(augment)
    varied = vary_models(models, vary)
    return TrainConfig(
        models=varied,
        seeds=tuple(range(_positive("seeds", seeds, "a whole number above 0"))),
        data=_absolute(data),
        data_digest="",
        size=None if size == "auto" else _positive("size", size, "auto or a whole number above 0"),
        recipe=recipe,
        epochs=epochs or (None if steps else find_recipe(recipe, varied[0]).epochs),
        steps=steps,
        batch=batch,
        augmentation=augment,
        initialisation=init or BY_ORIGIN,
        device=device,
        dtype=dtype,
        layout=choose("layout", layout, LAYOUTS),
        compiled=compile,
        threads=threads,
        learning_rate=asked_rate(lr, recipe, len(varied)),
    )


def prepare(
    config: TrainConfig, *, minutes: float | None = None, download: bool = False
) -> tuple[Prepared, dict[str, ExpectedTime]]:
    """Return the run that a configuration describes, and the expected time of each model.

    With `minutes`, the number of steps is what fits into that time. Raises UsageError, DataError, AddressError,
    InputError or ForwardError where a model cannot be trained so.
    """
    data = load_data(config.data, download=download)
    config = replace(config, data_digest=data.digest)
    for model in config.models:
        _require_enough_images(config.batch_of(model), len(data.train))
    models = _model_infos(config, data)
    step_s = {model: step_time_s(config, model, data) for model in config.models}
    if minutes is not None:
        config = replace(config, epochs=None, steps=steps_within(config, data, step_s, 60 * minutes))
    times = {model: expected_time(config, model, data, duration) for model, duration in step_s.items()}
    return Prepared(config, data, models), times


def reopen(folder: RunFolder, *, device: str, threads: int, data: str | None = None) -> Prepared:
    """Return the run of a folder, to continue it here; `data` names where its images are now, if they have moved.

    Raises UsageError for a folder without a run, or for other images.
    """
    record = read_run(folder.path)
    require_identity(folder, record)
    config = replace(from_record(record["plan"]), device=device, threads=threads)
    if data is not None:
        config = replace(config, data=_absolute(data))
    if is_first_process():
        report_user_code(folder.path, config.models)
    images = load_data(config.data)
    if images.digest != config.data_digest:
        raise UsageError(f"'{folder.path}' was begun with other images than '{config.data}' has now")
    return Prepared(config, images, _model_infos(config, images))


def require_as_begun(path: Path, given: Mapping[str, Any]) -> None:
    """Raise UsageError if an argument given now, by name, differs from what the run of a folder was begun with.

    A place of the data may differ, since the images themselves are compared.
    """
    asked = {"lr": None} | read_run(path)["asked"]  # earlier runs have the recipe's learning rate
    names = [name for name in asked if name in given and (name != "data" or given[name] == "digits")]
    differing = differences(*({name: _comparable(name, values[name]) for name in names} for values in (asked, given)))
    if differing:
        raise UsageError(f"'{path}' was begun otherwise: {'; '.join(differing)}")


def _comparable(name: str, value: Any) -> Any:
    return str(value) if name == "size" else value  # earlier runs record a size as text


def vary_models(models: Sequence[str], variations: Sequence[str]) -> tuple[str, ...]:
    """Return each model in every combination of the variations: `activation=relu,tanh` makes two addresses of one.

    Raises UsageError for a malformed variation, or where no model is named.
    """
    if not models:
        raise UsageError("name a model to train, such as lenet, or a run to continue with {resume}", resume=...)
    varied = list(dict.fromkeys(models))
    for variation in variations:
        name, equals, values = variation.partition("=")
        if not name.isidentifier() or not equals or not all(values.split(",")):
            raise UsageError("{vary} names no values; write for example activation=relu,sigmoid", vary=variation)
        varied = [_with_argument(model, name, value) for model in varied for value in values.split(",")]
    unique = tuple(dict.fromkeys(varied))
    _require_separate_folders(unique)
    return unique


def _with_argument(model: str, name: str, value: str) -> str:
    """Return a model's address with an argument set, which replaces an earlier one of that name."""
    target, _, text = model.partition("?")
    others = [part for part in text.split("&") if part and part.partition("=")[0] != name]
    return f"{target}?{'&'.join((*others, f'{name}={value}'))}"


def _model_infos(config: TrainConfig, data: Data) -> dict[str, ModelInfo]:
    return {model: _info(build_model(config, model, 0, data.shape, data.num_classes)) for model in config.models}


def _info(adapted: Adapted) -> ModelInfo:
    with running_user_code():
        totals = layer_table(trace(adapted.model, torch.empty(1, *adapted.input_shape, device="meta"))).totals
    return ModelInfo(adapted.input_shape, totals.params, totals.macs, adapted.notes, adapted.initialisation)


def _require_separate_folders(models: tuple[str, ...]) -> None:
    """Raise UsageError for two models whose files would have the same name."""
    names: dict[str, str] = {}
    for model in models:
        other = names.setdefault(plain_name(model), model)
        if other != model:
            raise UsageError(
                f"{other} and {model} would share the folder '{plain_name(model)}'; train them in two runs"
            )


def _require_one_length(**lengths: float | None) -> None:
    """Raise UsageError for two lengths of a training, or for one that is not positive and finite."""
    given = {name: value for name, value in lengths.items() if value is not None}
    if len(given) > 1:
        names = " and ".join(f"{{{name}}}" for name in given)
        raise UsageError(
            f"{names} all set the length of the training; leave out all but one", **dict.fromkeys(given, ...)
        )
    for name, value in given.items():
        if not 0 < value < math.inf:
            raise UsageError(f"{{{name}}} is not a valid length; give a number above 0", **{name: value})


def _require_dtype(dtype: str, device: str) -> None:
    if dtype in ("bf16", "fp16"):
        other = "amp" if dtype == "bf16" else "amp-fp16"
        raise UsageError(f"{{dtype}} would round small updates away; {other} keeps the weights in 32 bits", dtype=dtype)
    if choose("dtype", dtype, DTYPES) == "tf32" and device != "cuda":
        raise UsageError("{dtype} requires an NVIDIA GPU", dtype=dtype)


def _positive(name: str, value: Any, expected: str) -> int:
    if not isinstance(value, int) or value < 1:
        raise UsageError(f"{{{name}}} is not {expected}", **{name: value})
    return value


def _require_enough_images(batch: int, num_images: int) -> None:
    if batch > num_images:
        raise UsageError(f"{{batch}} is more than the {num_images} training images", batch=batch)


def _absolute(source: str) -> str:
    """Return a data source that names the same files from any working directory."""
    kind, colon, place = source.partition(":")
    return f"{kind}:{Path(place).expanduser().resolve()}" if colon else source
