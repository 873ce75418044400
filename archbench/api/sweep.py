"""Count models at several sizes of their input, or with several values of an argument of their builder."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from archbench.analyze.growth import Growth, Sweep, growth_of
from archbench.analyze.layers import Totals
from archbench.api.summary import Summary, summary_of
from archbench.errors import AddressError, ArchbenchError, ForwardError, InputError, UsageError, nearest
from archbench.models.address import find
from archbench.models.loaded import Inputs, LoadedModel, Model, load_model
from archbench.models.resize import with_length, with_size
from archbench.reporting.tables.wording import listed
from archbench.trace.attention import Attention
from archbench.trace.tracer import Mode
from archbench.units import format_integer, parse_range

# What is swept in the inputs of every model; a builder that has an argument of the name gets it, too.
_INPUTS = ("size", "length")
# Arguments of builders that fix the size of the images: the input follows them.
_RESIZE = {"size": with_size, "image_size": with_size, "img_size": with_size, "length": with_length}

LoadAt = Callable[[int], LoadedModel]


def sweep_models(
    models: Sequence[tuple[str, Model]], inputs: Inputs, sweep: str, *, batch: int, mode: Mode, attention: Attention
) -> tuple[tuple[Summary, ...], Sweep]:
    """Return the summaries of each model at each value of `NAME=VALUES`, model by model, and how they grow.

    A value with which a model does not run has no summary. Raises UsageError for a sweep that a model does not have,
    InputError for malformed values, and ForwardError or AddressError if no model runs with any value.
    """
    name, values = parse_sweep(sweep)
    loaders = {label: _loader(label, model, inputs, name, batch, attention) for label, model in models}
    summaries: list[Summary] = []
    swept: list[int] = []
    growth: dict[str, dict[str, Growth]] = {}
    left_out: list[str] = []
    for label, load_at in loaders.items():
        counted, failed = _count_all(load_at, values, batch, mode)
        summaries += counted.values()
        swept += counted
        growth[label] = growth_of(partial(_totals, load_at, batch, mode, counted), list(counted))
        if failed:
            left_out.append(_left_out(label, name, failed))
    if not summaries:
        raise ForwardError("; ".join(left_out))
    return tuple(summaries), Sweep(name, tuple(swept), growth, tuple(left_out))


def parse_sweep(text: str) -> tuple[str, list[int]]:
    """Return the name and the values of `size=64..512`. Raises UsageError or InputError for anything else."""
    name, equals, values = text.partition("=")
    if not equals or not name.isidentifier():
        raise UsageError("{sweep} is not NAME=VALUES, such as size=64..512 or length=128,512,2048", sweep=text)
    return name, parse_range(values, name)


def _loader(label: str, model: Model, inputs: Inputs, name: str, batch: int, attention: Attention) -> LoadAt:
    """Return a function from a swept value to the model that is to be counted."""
    resize = _RESIZE.get(name)
    is_argument = _is_argument(model, name)

    def load_at(value: int) -> LoadedModel:
        address = _with_argument(model, name, value) if isinstance(model, str) and is_argument else model
        loaded = replace(load_model(address, inputs, attention=attention), name=label)
        if resize is None:
            return loaded
        # Without specs a failure is not followed by a search for sizes that work.
        return replace(loaded, specs=(), tensors=resize(loaded.inputs(batch), value))

    if resize is not None:
        _require_dimension(load_model(model, inputs).inputs(batch), label, name)
    return load_at


def _is_argument(model: Model, name: str) -> bool:
    """Return whether a swept value is passed to the model's builder. Raises UsageError if it cannot be swept at all."""
    if not isinstance(model, str):
        if name in _INPUTS:
            return False
        raise UsageError("{sweep} requires the address of a model; a module has size and length", sweep=name)
    try:
        parameters = inspect.signature(find(model).builder).parameters
    except ValueError:  # a builtin without a signature checks its arguments itself
        return name not in _INPUTS
    if name in parameters or name in _INPUTS:
        return name in parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return True
    known = (*_INPUTS, *(each for each in parameters if each not in _INPUTS))
    raise UsageError(
        f"{model} has no '{name}' for {{sweep}}; choose from {', '.join(known)}{nearest(name, known)}", sweep=...
    )


def _with_argument(address: str, name: str, value: int) -> str:
    return f"{address}{'&' if '?' in address else '?'}{name}={value}"


def _require_dimension(inputs: Any, label: str, name: str) -> None:
    """Raise UsageError if no input has the dimension that is to be swept."""
    try:
        _RESIZE[name](inputs, 1)
    except InputError as error:
        raise UsageError(f"{{sweep}} does not suit {label}: {error}", sweep=name) from error


def _count_all(
    load_at: LoadAt, values: Sequence[int], batch: int, mode: Mode
) -> tuple[dict[int, Summary], dict[int, ArchbenchError]]:
    """Return the summaries by value, and the errors of the values with which the model does not run."""
    counted: dict[int, Summary] = {}
    failed: dict[int, ArchbenchError] = {}
    for value in values:
        try:
            counted[value] = summary_of(load_at(value), batch, mode)
        except (ForwardError, AddressError, InputError) as error:
            failed[value] = error
    return counted, failed


def _totals(load_at: LoadAt, batch: int, mode: Mode, counted: dict[int, Summary], value: int) -> Totals | None:
    """Return the totals at a value, None if the model does not run with it."""
    if value not in counted:
        more, _ = _count_all(load_at, [value], batch, mode)
        return more[value].totals if more else None
    return counted[value].totals


def _left_out(label: str, name: str, failed: dict[int, ArchbenchError]) -> str:
    """Return a sentence on the values with which a model does not run, with the first error."""
    reason = str(next(iter(failed.values()))).removeprefix(f"{label}: ")
    return f"{label} does not run with {name} {listed([format_integer(value) for value in failed])}: {reason}"
