"""Tables of predicted memory: one row per run, per layer, or per operator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace

from archbench.analyze.memory.footprint import Footprint
from archbench.analyze.memory.layers import LayerMemory
from archbench.analyze.memory.timeline import Moment
from archbench.reporting.table import Column, Table
from archbench.units import format_bytes

_MEMORY = (
    Column("model", "Model", "text", 0),
    Column("batch", "Batch", "plain", 1),
    Column("mode", "Mode", "text"),
    Column("optimizer", "Optimizer", "text"),
    Column("dtype", "Dtype", "text"),
    Column("peak_bytes", "Peak", "bytes", 2),
    Column("peak_layer", "At", "text", 9),
    Column("params_bytes", "Params", "bytes", 5),
    Column("gradient_bytes", "Gradients", "bytes", 7),
    Column("optimizer_bytes", "Optimizer", "bytes", 8),
    Column("activation_bytes", "Activations", "bytes", 3),
    Column("temporary_bytes", "Temporary", "bytes", 4),
    Column("input_bytes", "Inputs", "bytes", 10),
    Column("workspace_bytes", "Workspace", "bytes", 6),
    Column("rounding_bytes", "Rounding", "bytes", 12),
    Column("peak_phase", "In", "text", 11),
)

_LAYER_MEMORY = (
    Column("index", "#", "plain"),
    Column("name", "Layer", "text", 0),
    Column("type", "Type", "text", 4),
    Column("param_bytes", "Params", "bytes", 5, hides_zero=True),
    Column("output_bytes", "Output", "bytes", 2),
    Column("saved_bytes", "Saved", "bytes", 1, hides_zero=True),
    Column("forward_peak_bytes", "Peak", "bytes", 3),
    Column("backward_peak_bytes", "Back peak", "bytes", 3),
)

_TIMELINE = (
    Column("step", "Step", "plain", 0),
    Column("phase", "Phase", "text", 1),
    Column("layer", "Layer", "text", 2),
    Column("operator", "Operator", "text", 4),
    Column("params_bytes", "Params", "bytes", 9),
    Column("gradient_bytes", "Gradients", "bytes", 7),
    Column("optimizer_bytes", "Optimizer", "bytes", 8),
    Column("activation_bytes", "Activations", "bytes", 5),
    Column("temporary_bytes", "Temporary", "bytes", 6),
    Column("input_bytes", "Inputs", "bytes", 10),
    Column("total_bytes", "Total", "bytes", 3),
)


def memory_table(rows: Sequence[Footprint], *, notes: Iterable[str] = (), caveats: Iterable[str] = ()) -> Table:
    """Return one row per run; for a single model with the place of the last row's peak."""
    last = rows[-1]
    peak = (_peak_note(last),) if len({row.model for row in rows}) == 1 else ()
    unused = () if last.mode == "train" else ("gradient_bytes", "optimizer_bytes")
    return Table(
        columns=tuple(replace(column, priority=None) if column.field in unused else column for column in _MEMORY),
        rows=[asdict(row) for row in rows],
        title=", ".join(filter(None, [last.mode, last.dtype, last.optimizer])),
        notes=(*peak, *notes),
        caveats=tuple(caveats),
    )


def _peak_note(row: Footprint) -> str:
    phase = "optimizer's update" if row.peak_phase == "update" else f"{row.peak_phase} pass"
    layer = f" of {row.peak_layer}" if row.peak_layer else ""
    return f"Peak of batch {row.batch}: {format_bytes(row.peak_bytes)} in the {phase}{layer}."


def layer_memory_table(rows: Sequence[LayerMemory], *, title: str, caveats: Iterable[str] = ()) -> Table:
    """Return one row per layer; the total has the sums, and of peaks the largest."""
    totals = {"name": "total", "param_bytes": sum(row.param_bytes for row in rows)}
    totals |= _known("saved_bytes", [row.saved_bytes for row in rows], sum)
    for field in ("forward_peak_bytes", "backward_peak_bytes"):
        totals |= _known(field, [getattr(row, field) for row in rows], max)
    return Table(
        columns=_LAYER_MEMORY,
        rows=[asdict(row) for row in rows],
        title=title,
        totals=totals,
        caveats=tuple(caveats),
    )


def _known(field: str, values: Sequence[int | None], join: Callable[[list[int]], int]) -> dict[str, int]:
    known = [value for value in values if value is not None]
    return {field: join(known)} if known else {}


def timeline_table(moments: Sequence[Moment], *, title: str, caveats: Iterable[str] = ()) -> Table:
    """Return one row per operator, with all memory in use while it runs."""
    return Table(columns=_TIMELINE, rows=[asdict(moment) for moment in moments], title=title, caveats=tuple(caveats))
