"""The configurations of a sweep, and whether a stored result still answers one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import product
from pathlib import Path

from archbench.analyze.performance.kernels import Layout
from archbench.host.machine import Kind
from archbench.measure.worker.request import RunOptions
from archbench.models.address import Source, find
from archbench.models.identity import resolved
from archbench.models.inputs import specs_of
from archbench.precision import PrecisionName
from archbench.store.records import EXAMPLE, Configuration, Result
from archbench.trace.tracer import Mode
from archbench.units import format_dimensions

# The batch that stands for the largest safe one, which is searched for.
AUTO = 0


def configurations(
    models: Sequence[str],
    *,
    kind: Kind,
    device: str,
    inputs: Sequence[str] = (),
    modes: Sequence[Mode] = ("eval",),
    batches: Sequence[int] = (1,),
    dtypes: Sequence[PrecisionName] = ("fp32",),
    layouts: Sequence[Layout] = ("nchw",),
    compiled: bool = False,
    graphs: bool = False,
    threads: int = 0,
) -> list[Configuration]:
    """Return every combination of models, modes, dtypes, layouts and batches on one device.

    Raises AddressError or InputError for a model that does not exist or has no input.
    """
    shapes = {model: input_shape(find(model), inputs) for model in models}
    return [
        Configuration(
            model=resolved(model),
            input_shape=shapes[model],
            kind=kind,
            device=device,
            mode=mode,
            batch=batch,
            dtype=dtype,
            layout=layout,
            compiled=compiled,
            graphs=graphs,
            threads=threads if kind == "cpu" else 0,
        )
        for model, mode, dtype, layout, batch in product(models, modes, dtypes, layouts, batches)
    ]


def input_shape(source: Source, inputs: Sequence[str]) -> str:
    """Return the `Configuration.input_shape` of a model: the given inputs, its usual one, or its own example.

    Raises InputError if an input is malformed or the model has none.
    """
    has_example = source.example_inputs is not None
    specs = specs_of(source.address, inputs, source.input_shape, has_example=has_example)
    if inputs:
        return ",".join(inputs)
    return format_dimensions(specs[0].shape) if specs else EXAMPLE


def is_current(result: Result) -> bool:
    """Return whether a stored result is up to date: same torch and archbench, the model's file not modified since."""
    import torch

    place = result.configuration.model.rpartition(":")[0]
    if place.endswith(".py") and ":" not in place:
        modified = datetime.fromtimestamp(Path(place).stat().st_mtime, UTC).isoformat(timespec="seconds")
        if modified >= result.started_at:
            return False
    now = {"torch": torch.__version__, "tool": version("archbench")}
    return all(result.environment.get(name, value) == value for name, value in now.items())


def suffices(result: Result, options: RunOptions) -> bool:
    """Return whether a stored result makes a new measurement unnecessary.

    A failure, or running out of memory, may not happen again. A result of fewer processes, one without the phases that
    are wanted, one of forked workers where new interpreters are wanted, or one that did not converge in less time than
    is allowed now, does not suffice.
    """
    if not is_current(result) or result.status in ("failed", "oom"):
        return False
    if len(result.samples_per_process) < options.processes:
        return False
    if options.cold and result.environment.get("start") == "warm":
        return False
    if options.phases and result.configuration.mode == "train" and not result.phases_s:
        return False
    return result.status != "not_converged" or result.environment.get("max_seconds", 0.0) >= options.max_seconds


def family(model: str) -> str:
    """Return a name that is the same for models that differ only in size, such as vgg11 and vgg16.

    Numbers in addresses of other kinds may mean anything, such as groups or a version.
    """
    return re.sub(r"\d+", "#", model) if re.fullmatch(r"\w+", model) else model
