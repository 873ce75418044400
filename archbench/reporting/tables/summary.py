"""The layer table of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from archbench.analyze.layers import LayerTable, Totals, as_record
from archbench.reporting.table import Column, Table
from archbench.reporting.tables.model_caveats import caveats
from archbench.reporting.tables.module_tree import tree_rows
from archbench.units import format_bytes, format_count

_SUMMARY = (
    Column("index", "#", "plain"),
    Column("name", "Layer", "text", 0),
    Column("type", "Type", "text", 4, cuts=True),
    Column("depth", "Depth", "plain"),
    Column("calls", "Calls", "plain", 13),
    Column("input_shape", "Input", "shape", 8),
    Column("output_shape", "Output", "shape", 1),
    Column("kernel", "Kernel", "window", 5),
    Column("stride", "Stride", "step", 6),
    Column("padding", "Pad", "step", 7),
    Column("groups", "Groups", "plain", 9),
    Column("params", "Params", "integer", 2, hides_zero=True, shortens=True),
    Column("trainable_params", "Trainable", "integer", hides_zero=True, shortens=True),
    Column("neurons", "Neurons", "integer", 12, hides_zero=True, shortens=True),
    Column("macs", "MACs", "integer", 3, hides_zero=True, shortens=True),
    Column("flops", "FLOPs", "count", 10, hides_zero=True),
    Column("param_bytes", "Param bytes", "bytes"),
    Column("output_bytes", "Output bytes", "bytes"),
    Column("read_bytes", "Read", "bytes", 14),
    Column("written_bytes", "Written", "bytes", 15),
    Column("intensity", "FLOP/B", "float", 11, hides_zero=True),
)

_TRAINING = (
    Column("backward_macs", "Back MACs", "integer", 3, hides_zero=True, shortens=True),
    Column("backward_flops", "Back FLOPs", "count", 10, hides_zero=True),
)

# Which device runs a fused kernel of attention.
_KERNELS = {"flash": "CUDA", "efficient": "CUDA", "cpu": "CPU", "flex": "torch.compile"}


def summary_table(
    table: LayerTable, *, model: str, batch: int, mode: str, real_data_reason: str | None = None
) -> Table:
    """Return the layer table of one model, with totals."""
    totals = table.totals
    layers = f"{totals.weight_layers} weight layer{'' if totals.weight_layers == 1 else 's'}"
    backward = {} if totals.training_macs is None else {"backward_macs": totals.training_macs - totals.macs}
    return Table(
        columns=_columns(totals),
        rows=[as_record(row) for row in table.rows],
        title=f"{model}, {mode}, batch {batch}, {layers}",
        totals={"name": "total", **as_record(totals), "intensity": totals.intensity, **backward},
        batch=batch,
        folded=tree_rows(table),
        bar="macs",
        notes=(
            _peak(totals, table.attention_kernels),
            *_active(table),
        ),
        caveats=caveats(model, table, real_data_reason),
    )


def _columns(totals: Totals) -> tuple[Column, ...]:
    """Return the columns, with that of trainable parameters for people where some are frozen."""
    columns = _SUMMARY if totals.training_macs is None else _SUMMARY + _TRAINING
    if totals.trainable_params == totals.params:
        return columns
    return tuple(replace(column, priority=3) if column.field == "trainable_params" else column for column in columns)


def _active(table: LayerTable) -> Iterator[str]:
    """Yield a sentence on the parameters that one token uses, for a model with experts."""
    totals, active = table.totals, table.active
    if totals.active_params is not None:
        experts = "" if active is None or active.chosen is None else f" ({active.chosen} of {active.experts} experts)"
        counts = f"{format_count(totals.active_params)} of {format_count(totals.params)} parameters"
        yield f"Active per token: {counts}{experts}."


def _peak(totals: Totals, attention_kernels: Sequence[str]) -> str:
    """Return a sentence on the peak memory."""
    fused = f", attention fused ({_KERNELS[attention_kernels[0]]})" if attention_kernels else ""
    if totals.peak_training_bytes is not None:
        return f"Peak memory: {format_bytes(totals.peak_training_bytes)}, training by SGD with momentum{fused}."
    assert totals.peak_inference_bytes is not None, "one of the peaks is always computed"
    return f"Peak memory: {format_bytes(totals.peak_inference_bytes)} in inference{fused}."


def summaries_table(tables: Mapping[str, LayerTable], *, batch: int) -> Table:
    """Return the layer tables of several models as one table, with a first column `model`."""
    return Table(
        columns=(Column("model", "Model", "text", 0), *_SUMMARY),
        rows=[{"model": model, **as_record(row)} for model, table in tables.items() for row in table.rows],
        batch=batch,
    )
