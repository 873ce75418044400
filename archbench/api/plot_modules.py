"""The chart of a model's modules by parameters, MACs, memory or time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

from archbench.analyze.layers import layer_table
from archbench.analyze.memory.layers import layer_memory
from archbench.analyze.module_shares import LayerValue, largest_share, module_shares
from archbench.analyze.performance.estimate import roofline_rows
from archbench.analyze.performance.rate_basis import rate_basis
from archbench.api.plot_models import single_model, warned
from archbench.api.prediction import SimulatedRun, simulated_run, single_device
from archbench.errors import UsageError, choose
from archbench.models.loaded import Inputs, Model
from archbench.reporting.charts.model_names import model_title
from archbench.reporting.charts.modules import modules_chart
from archbench.trace.records import Trace
from archbench.trace.tracer import Mode
from archbench.units import format_bytes, format_count, format_percent, format_time

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart, Size

Quantity = Literal["params", "macs", "memory", "time"]


# Each quantity in words, and how a value is written.
_QUANTITIES: dict[str, tuple[str, Callable[[float], str]]] = {
    "params": ("parameters", format_count),
    "macs": ("MACs", format_count),
    "memory": ("memory saved for the backward pass", format_bytes),
    "time": ("predicted time", format_time),
}


def _values(by: Quantity, run: SimulatedRun, trace: Trace) -> Iterable[LayerValue]:
    """Return the value of each layer; the values of all quantities sum over layers."""
    if by == "params":
        return (LayerValue(row.name, row.type, row.params) for row in layer_table(trace).rows)
    if by == "macs":
        return (LayerValue(row.name, row.type, row.macs + (row.backward_macs or 0)) for row in layer_table(trace).rows)
    if by == "memory":
        return (LayerValue(row.name, row.type, row.saved_bytes or 0) for row in layer_memory(trace))
    assert run.conditions is not None, "a device was given"
    return (LayerValue(row.name, row.type, row.time_s) for row in roofline_rows(trace, run.conditions))


def modules(
    what: Sequence[Model | Path],
    *,
    by: Quantity = "params",
    inputs: Inputs = None,
    batch: int = 1,
    mode: Mode | None = None,
    dtype: str = "fp32",
    device: str | None = None,
    **size: Unpack[Size],
) -> Chart:
    """Return a model's modules by their parameters, MACs, saved memory or predicted time."""
    choose("by", by, _QUANTITIES)
    words, text = _QUANTITIES[by]
    run = _run(single_model(what, "modules"), by, inputs, mode, dtype, device)
    trace = run.trace(batch)
    shares = module_shares(_values(by, run, trace))
    if not shares[0].value:
        raise UsageError(f"nothing to plot: {run.loaded.name} has no {words}")
    largest = largest_share(shares)
    part = format_percent(largest.value / shares[0].value)
    model = model_title(run.loaded.name, run.loaded.card)
    title = f"{largest.name or model} has {part} of the {words} of {model}"
    notes = warned(run.caveats(trace))
    scope = f"{words[:1].upper()}{words[1:]}{_conditions(by, run, batch)}"
    return modules_chart(shares, model=run.loaded.name, title=title, text=text, quantity=scope, notes=notes, **size)


def _conditions(by: Quantity, run: SimulatedRun, batch: int) -> str:
    """Return what the values depend on."""
    if by == "params":
        return ""
    dtype = "" if by == "macs" else f", {run.loaded.precision.name}"
    device = "" if run.conditions is None else f", {run.conditions.device.title}"
    return f", {run.mode}, batch {batch}{dtype}{device}"


def _run(model: Model, by: Quantity, inputs: Inputs, mode: Mode | None, dtype: str, device: str | None) -> SimulatedRun:
    """Return the run to trace. Raises UsageError for options that the quantity does not have."""
    if by == "time" and device is None:
        raise UsageError("plot modules {by} requires {device}, such as h200", by=by, device=...)
    if by != "time" and device is not None:
        raise UsageError("{device} requires {by}", device=device, by="time")
    if by == "memory" and mode == "eval":
        raise UsageError("{by} is what a training step saves for its backward pass; leave out {mode}", by=by, mode=mode)
    mode = mode or ("train" if by == "memory" else "eval")
    if device is None:
        return simulated_run(model, inputs, mode=mode, dtype=dtype)
    place = single_device(device)
    basis = rate_basis(place, mode=mode, dtype=dtype, layout="nchw", is_compiled=False)
    return simulated_run(model, inputs, mode=mode, dtype=dtype, device=place, coefficients=basis.coefficients)
