"""The layer table of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archbench.analyze.layers import LayerTable, Totals, as_record
from archbench.reporting.table import Column, Table
from archbench.reporting.tables.model import CONVENTION
from archbench.reporting.tables.model_caveats import caveats
from archbench.reporting.tables.repeated_blocks import REPEATS, folded_rows
from archbench.units import format_bytes, format_count

_SUMMARY = (
    Column("index", "#", "plain"),
    Column("name", "Layer", "text", 0),
    Column("type", "Type", "text", 6),
    Column("depth", "Depth", "plain"),
    Column("calls", "Calls", "plain", 13),
    Column("input_shape", "Input", "shape", 8),
    Column("output_shape", "Output", "shape", 1),
    Column("kernel", "Kernel", "window", 4),
    Column("stride", "Stride", "step", 5),
    Column("padding", "Pad", "step", 7),
    Column("groups", "Groups", "plain", 9),
    Column("params", "Params", "integer", 2),
    Column("trainable_params", "Trainable", "integer"),
    Column("neurons", "Neurons", "integer", 12),
    Column("macs", "MACs", "integer", 3),
    Column("flops", "FLOPs", "count", 10),
    Column("param_bytes", "Param bytes", "bytes"),
    Column("output_bytes", "Output bytes", "bytes"),
    Column("read_bytes", "Read", "bytes", 14),
    Column("written_bytes", "Written", "bytes", 15),
    Column("intensity", "FLOP/B", "float", 11),
)

_TRAINING = (
    Column("backward_macs", "Back MACs", "integer", 3),
    Column("backward_flops", "Back FLOPs", "count", 10),
)

# Which device runs a fused kernel of attention.
_KERNELS = {
    "flash": "as CUDA runs it",
    "efficient": "as CUDA runs it",
    "cpu": "as a CPU runs it",
    "flex": "as torch.compile makes it",
}


def summary_table(
    table: LayerTable, *, model: str, batch: int, mode: str, real_data_reason: str | None = None
) -> Table:
    """Return the layer table of one model, with totals."""
    totals = table.totals
    layers = f"{totals.weight_layers} weight layer{'' if totals.weight_layers == 1 else 's'}"
    backward = {} if totals.training_macs is None else {"backward_macs": totals.training_macs - totals.macs}
    folded = folded_rows(table)
    return Table(
        columns=_SUMMARY if totals.training_macs is None else _SUMMARY + _TRAINING,
        rows=[as_record(row) for row in table.rows],
        title=f"{model}, {mode}, batch {batch}",
        totals={"name": "total", "type": layers, **as_record(totals), "intensity": totals.intensity, **backward},
        batch=batch,
        folded=folded,
        notes=(
            *([] if folded is None else [REPEATS]),
            _peak(totals, table.attention_kernels),
            _active(table) or CONVENTION,
        ),
        caveats=caveats(model, table, real_data_reason),
    )


def _active(table: LayerTable) -> str:
    """Return a sentence on the parameters that one token uses, empty for a model without experts."""
    totals, active = table.totals, table.active
    if totals.active_params is None:
        return ""
    experts = "" if active is None or active.chosen is None else f" ({active.chosen} of {active.experts} experts)"
    counts = f"{format_count(totals.active_params)} of {format_count(totals.params)} parameters"
    return f"Active per token: {counts}{experts}."


def _peak(totals: Totals, attention_kernels: Sequence[str]) -> str:
    """Return a sentence on the peak memory."""
    fused = f"; attention as one kernel, {_KERNELS[attention_kernels[0]]}" if attention_kernels else ""
    if totals.peak_training_bytes is not None:
        what = f"a training step with SGD and momentum (parameters, momentum, gradients, activations{fused})"
        return f"Peak memory: {format_bytes(totals.peak_training_bytes)} in {what}."
    assert totals.peak_inference_bytes is not None, "one of the peaks is always computed"
    peak = format_bytes(totals.peak_inference_bytes)
    return f"Peak memory: {peak} in inference (parameters, inputs, activations{fused})."


def summaries_table(tables: Mapping[str, LayerTable], *, batch: int) -> Table:
    """Return the layer tables of several models as one table, with a first column `model`."""
    return Table(
        columns=(Column("model", "Model", "text", 0), *_SUMMARY),
        rows=[{"model": model, **as_record(row)} for model, table in tables.items() for row in table.rows],
        batch=batch,
        notes=(CONVENTION,),
    )
