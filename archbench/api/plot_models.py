"""Charts of models that are counted or simulated: layers, memory, roofline, published errors."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from archbench.analyze.memory.timeline import timeline
from archbench.analyze.performance.estimate import roofline_rows
from archbench.analyze.performance.rate_basis import rate_basis
from archbench.api.names import unique_name
from archbench.api.prediction import SimulatedRun, simulated_run, single_device
from archbench.api.summary import summary_of
from archbench.errors import UsageError
from archbench.models.address import model_names
from archbench.models.loaded import Inputs, LoadedModel, Model, load_model
from archbench.models.patterns import expanded
from archbench.reporting.charts.layers import layers_chart
from archbench.reporting.charts.memory import memory_chart
from archbench.reporting.charts.model_names import model_title
from archbench.reporting.charts.published_error import PublishedError, published_error, published_error_chart
from archbench.reporting.charts.roofline import roofline_chart
from archbench.trace.records import Trace
from archbench.trace.tracer import Mode

if TYPE_CHECKING:
    from archbench.analyze.layers import LayerRow
    from archbench.reporting.charts.theme import Chart, Size

_LOG = logging.getLogger("archbench")


def layers(what: Sequence[Model | Path], *, inputs: Inputs = None, batch: int = 1, **size: Unpack[Size]) -> Chart:
    """Return the parameters and MACs of each layer of models."""
    if not what:
        raise UsageError("plot layers takes at least one model, such as vgg16")
    rows: dict[str, Sequence[LayerRow]] = {}
    warnings: list[str] = []
    for model in dict.fromkeys(expanded(map(_model, what))):
        loaded = load_model(model, inputs)
        summary = summary_of(loaded, batch, "eval")
        if not any(row.params or row.macs for row in summary.rows):
            raise UsageError(f"nothing to plot: {summary.model} has neither parameters nor MACs")
        rows[unique_name(summary.model, rows)] = summary.rows
        warnings += summary.caveats
    return layers_chart(rows, title=_title(loaded), batch=batch, notes=warned(warnings), **size)


def memory(
    what: Sequence[Model | Path],
    *,
    inputs: Inputs = None,
    batch: int = 1,
    mode: Mode = "eval",
    dtype: str = "fp32",
    optimizer: str | None = None,
    **size: Unpack[Size],
) -> Chart:
    """Return the memory of one run, operator by operator."""
    model = single_model(what, "memory")
    if optimizer is not None and mode != "train":
        raise UsageError("{optimizer} requires {mode}", optimizer=optimizer, mode="train")
    run = simulated_run(model, inputs, mode=mode, dtype=dtype, optimizer=optimizer or "momentum")
    trace = run.trace(batch)
    notes = warned(run.caveats(trace))
    return memory_chart(timeline(trace), title=_title(run.loaded), setting=_setting(run, trace), notes=notes, **size)


def roofline(
    what: Sequence[Model | Path],
    *,
    device: str | None = None,
    inputs: Inputs = None,
    batch: int = 1,
    mode: Mode = "eval",
    dtype: str = "fp32",
    **size: Unpack[Size],
) -> Chart:
    """Return the layers of one run under the ceilings of a device."""
    model = single_model(what, "roofline")
    if device is None:
        raise UsageError("plot roofline requires {device}, such as h200; 'archbench devices' lists them", device=...)
    place = single_device(device)
    basis = rate_basis(place, mode=mode, dtype=dtype, layout="nchw", is_compiled=False)
    run = simulated_run(model, inputs, mode=mode, dtype=dtype, device=place, coefficients=basis.coefficients)
    assert run.conditions is not None, "a device was given"
    trace = run.trace(batch)
    rows = roofline_rows(trace, run.conditions)
    if not any(row.flops for row in rows):
        raise UsageError(f"nothing to plot: {run.loaded.name} does no arithmetic")
    product_dtype, notes = run.loaded.precision.product_dtype, warned(run.caveats(trace))
    title, setting = _title(run.loaded), _setting(run, trace)
    return roofline_chart(rows, place, product_dtype, title=title, setting=setting, notes=notes, **size)


def published_errors(what: Sequence[Model | Path], **size: Unpack[Size]) -> Chart:
    """Return the published errors of models, of all installed models by default."""
    rows: list[PublishedError] = []
    warnings: list[str] = []
    without = []
    for model in expanded(map(_model, what or model_names())):
        row, caveats = _published(load_model(model))
        if row is None:
            without.append(str(model))
            continue
        rows.append(row)
        warnings += caveats
    if not rows:
        known = "'archbench plot accuracy' alone plots all that are known, a run's folder what was trained"
        raise UsageError(f"nothing to plot: no error of {', '.join(without)} is published on a card; {known}")
    if without:
        _LOG.info("without a published error: %s", ", ".join(without))
    missing = [f"Without a published error: {', '.join(without)}."] if what and without else []
    return published_error_chart(rows, notes=[*warned(warnings), *missing], **size)


def _published(loaded: LoadedModel) -> tuple[PublishedError | None, tuple[str, ...]]:
    """Return a model's published error with the caveats of its counts; a model without a card is not counted."""
    if loaded.card is None:
        return None, ()
    summary = summary_of(loaded, 1, "eval")
    return published_error(loaded.name, loaded.card, summary.inputs[0][1:], summary.totals), summary.caveats


def _model(what: Model | Path) -> Model:
    return str(what) if isinstance(what, Path) else what


def single_model(what: Sequence[Model | Path], kind: str) -> Model:
    """Return the model that a kind of chart shows. Raises UsageError for none or several."""
    if len(what) != 1:
        raise UsageError(f"plot {kind} takes exactly one model, got {len(what)}")
    return _model(what[0])


def _title(loaded: LoadedModel) -> str:
    return model_title(loaded.name, loaded.card)


def _setting(run: SimulatedRun, trace: Trace) -> str:
    update = f", {run.optimizer.algorithm}" if run.mode == "train" and run.optimizer is not None else ""
    return f"{run.mode}, batch {trace.batch}, {run.loaded.precision.name}{update}"


def warned(caveats: Sequence[str]) -> Sequence[str]:
    """Log caveats as warnings, and return them for the chart's subtitle."""
    for caveat in caveats:
        _LOG.warning("%s", caveat)
    return caveats
