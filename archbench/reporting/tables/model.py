"""The tables of models: layers, comparison, installed models, cost rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from archbench.analyze.compare import ModelRow
from archbench.analyze.layers import Doubt, LayerTable, Totals, as_record
from archbench.analyze.value_use import ValueUse
from archbench.reporting.table import Column, Table
from archbench.reporting.tables.repeated_blocks import REPEATS, folded_rows
from archbench.reporting.tables.wording import listed
from archbench.store.records import Result
from archbench.store.trainings import TrainingResult
from archbench.units import format_bytes, format_count

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

CONVENTION = (
    "MAC: one multiply-accumulate of a convolution or matrix product. FLOP: every operation; see 'archbench costs'."
)

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

_COMPARISON = (
    Column("model", "Model", "text", 0),
    Column("title", "Title", "text", 12),
    Column("year", "Year", "plain", 7),
    Column("input_shape", "Input", "shape", 5),
    Column("weight_layers", "Layers", "plain", 4),
    Column("params", "Params", "count", 1, compared=True),
    Column("active_params", "Active", "count", 2),
    Column("macs", "MACs", "count", 2, compared=True),
    Column("flops", "FLOPs", "count", 8, compared=True),
    Column("neurons", "Neurons", "count", 9, compared=True),
    Column("param_bytes", "Weights", "bytes", 10),
    Column("peak_inference_bytes", "Peak memory", "bytes", 6),
    Column("peak_training_bytes", "Peak training", "bytes", 6),
    Column("intensity", "FLOP/B", "float", 11),
    Column("reported_top5_error_percent", "Top-5 err %", "float", 3),
)

_MEASURED = (
    Column("device", "Device", "text", 13),
    Column("dtype", "Dtype", "text", 6),
    Column("measured_batch", "At batch", "plain", 6),
    Column("images_per_s", "Images/s", "measure", 3),
)

_TRAINED = (
    Column("trained_on", "Trained on", "text", 4),
    Column("epochs", "Epochs", "figure", 9),
    Column("top1_mean", "Top-1", "percent", 3),
    Column("top1_low", "Low", "percent", 6),
    Column("top1_high", "High", "percent", 7),
)

_MODELS = (
    Column("name", "Model", "text", 0),
    Column("title", "Title", "text", 1),
    Column("year", "Year", "plain", 2),
    Column("input_shape", "Input", "shape", 3),
    Column("reported_top5_error_percent", "Top-5 err %", "float", 4),
    Column("reported_protocol", "Protocol", "text", 6),
    Column("paper", "Paper", "text"),
    Column("differences", "Differences", "text"),
)

_COSTS = (Column("operator", "Operator", "text", 0), Column("rule", "Rule", "text", 1, wraps=True))


# Which device runs a fused kernel of attention.
_KERNELS = {
    "flash": "as CUDA runs it",
    "efficient": "as CUDA runs it",
    "cpu": "as a CPU runs it",
    "flex": "as torch.compile makes it",
}

_DOUBTS: dict[Doubt, str] = {
    "autocast": "counted without autocast; bytes and peak memory are those of the tensors' own dtypes",
    "fused recurrence": (
        "recurrent layers as one cuDNN kernel, without the space that it reserves beside the layers' outputs"
    ),
    "no backward": "no output requires a gradient, so that there is no backward pass",
    "recurrence": "peak memory and bytes are of recurrent layers step by step; fused kernels differ",
    "trainable external tensors": (
        "it uses trainable tensors that are not its parameters; gradients for them are not counted"
    ),
    "unknown blocks": "flex_attention: all scores were counted, the blocks that its mask keeps are not known",
    "unknown branches": "torch.cond: the first branch was counted, the predicate is not known",
}


def caveats(model: str, table: LayerTable, real_data_reason: str | None) -> tuple[str, ...]:
    """Return the caveats of a model's numbers: what was not counted, not used, or computed on real data."""
    sentences = []
    if table.uncounted:
        calls = ", ".join(f"{name} ({times}×)" for name, times in sorted(table.uncounted.items()))
        sentences.append(f"{model}: uncounted, their cost is in no figure: {calls}")
    if table.unread:
        sentences.append(f"{model}: no operator read the parameters of {', '.join(table.unread)}")
    if table.other_weights:
        count, users = format_count(table.other_weights.values), _abridged(table.other_weights.layers)
        sentences.append(
            f"{model}: {count} weights are not parameters but buffers or packed weights of {users}; "
            "params leave them out"
        )
    if table.unfused_attention:
        reasons = ", ".join(table.unfused_attention)
        sentences.append(f"{model}: attention as separate products, which torch does not fuse for {reasons}")
    sentences += [f"{model}: {sentence}" for sentence in _value_caveats(table.values, real_data_reason)]
    sentences += [f"{model}: {_DOUBTS[doubt]}" for doubt in sorted(table.doubts)]
    return tuple(sentences)


def _abridged(names: Sequence[str]) -> str:
    """List the first three names, and the number of others."""
    more = [f"{len(names) - 3} more"] if len(names) > 3 else []
    return listed(["the root" if name == "." else name for name in names[:3]] + more)


def _value_caveats(values: ValueUse, real_data_reason: str | None) -> Iterator[str]:
    if real_data_reason:
        data = "random data (seed 0)" if values.is_random else "real data"
        yield f"run on {data}, because {real_data_reason}; counts may depend on values"
    if values.ones_reason:
        yield f"integer inputs were taken as ones, because {values.ones_reason}; counts may depend on values"
    if values.operators:
        ran = ", ".join(f"{name} ({_abridged(layers)})" for name, layers in sorted(values.operators.items()))
        yield f"counts depend on values, where these operators ran: {ran}"


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


def comparison_table(
    rows: Sequence[ModelRow],
    *,
    baseline: int,
    batch: int,
    mode: str,
    notes: Iterable[str] = (),
    caveats: Iterable[str] = (),
    measured: Mapping[str, Result] | None = None,
    trained: Mapping[str, TrainingResult] | None = None,
) -> Table:
    """Return one row per model; `baseline` is the index of the row that ratios refer to.

    `measured` are the best results by model and `trained` the accuracies; None leaves their columns out.
    """
    records = [as_record(row) for row in rows]
    computed = [column for column in _COMPARISON if any(column.field in record for record in records)]
    records = [{column.field: record.get(column.field) for column in computed} for record in records]
    if measured is not None:
        records = [{**record, **_measured(measured.get(record["model"]))} for record in records]
        computed += _MEASURED
    if trained is not None:
        records = [{**record, **_trained(trained.get(record["model"]))} for record in records]
        computed += _TRAINED
    ratios = f"ratios to {rows[baseline].model}" if len(rows) > 1 else ""
    return Table(
        columns=tuple(computed),
        rows=records,
        title=", ".join(filter(None, (mode, f"batch {batch}", ratios))),
        baseline=records[baseline] if len(rows) > 1 else None,
        batch=batch,
        notes=(*notes, CONVENTION),
        caveats=tuple(caveats),
    )


def _measured(result: Result | None) -> dict[str, Any]:
    """Return the columns of a model's best stored result."""
    if result is None:
        return {column.field: None for column in _MEASURED}
    configuration = result.configuration
    return {
        "device": configuration.device,
        "dtype": configuration.dtype,
        "measured_batch": configuration.batch,
        "images_per_s": result.images_per_s,
    }


def _trained(result: TrainingResult | None) -> dict[str, Any]:
    """Return the columns of a model's accuracy."""
    if result is None:
        return {column.field: None for column in _TRAINED}
    accuracy = result.accuracy
    learned = {name: getattr(accuracy, name) for name in ("epochs", "top1_mean", "top1_low", "top1_high")}
    return {"trained_on": accuracy.data, **learned}


def models_table(cards: Sequence[DataclassInstance]) -> Table:
    """Return one row per installed model."""
    return Table(columns=_MODELS, rows=[asdict(card) for card in cards])


def costs_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return one row per operator, with its rule."""
    return Table(columns=_COSTS, rows=rows, notes=("Operators without a rule are listed as uncounted, never as zero.",))
