"""The tables of models: comparison, installed models, cost rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from archbench.analyze.compare import ModelRow
from archbench.analyze.layers import as_record
from archbench.reporting.table import Column, Table
from archbench.reporting.tables.published_columns import PUBLISHED, published_cells, published_note
from archbench.store.records import Result
from archbench.store.trainings import TrainingResult

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from archbench.store.published_figures import ModelFigures

CONVENTION = (
    "MAC: one multiply-accumulate of a convolution or matrix product. FLOP: every operation; see 'archbench costs'."
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
    Column("training_macs", "Train MACs", "count", 2, compared=True),
    Column("flops", "FLOPs", "count", 8, compared=True),
    Column("neurons", "Neurons", "count", 9, compared=True),
    Column("param_bytes", "Weights", "bytes", 10),
    Column("peak_inference_bytes", "Peak memory", "bytes", 6),
    Column("peak_training_bytes", "Peak training", "bytes", 3),
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

_MODELS = (  # no column has priority 0: addresses are copied from here, so they are never shortened
    Column("name", "Model", "text", 1),
    Column("title", "Title", "text", 2),
    Column("year", "Year", "plain", 3),
    Column("input_shape", "Input", "shape", 4),
    Column("reported_top5_error_percent", "Top-5 err %", "float", 5),
    Column("reported_protocol", "Protocol", "text", 6),
    Column("paper", "Paper", "text"),
    Column("differences", "Differences", "text"),
)


def comparison_table(
    rows: Sequence[ModelRow],
    *,
    baseline: int,
    batch: int | None,
    mode: str,
    notes: Iterable[str] = (),
    caveats: Iterable[str] = (),
    measured: Mapping[str, Result] | None = None,
    trained: Mapping[str, TrainingResult] | None = None,
    published: Mapping[str, ModelFigures] | None = None,
) -> Table:
    """Return one row per model; `baseline` is the index of the row that ratios refer to.

    `measured` are the best results by model, `trained` the accuracies and `published` the figures of others; None
    leaves their columns out.
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
    if published is not None:
        records = [{**record, **published_cells(published.get(record["model"]))} for record in records]
        computed += PUBLISHED
    ratios = f"ratios to {rows[baseline].model}" if len(rows) > 1 else ""
    return Table(
        columns=tuple(computed),
        rows=records,
        title=", ".join(filter(None, (mode, f"batch {batch}" if batch else "", ratios))),
        baseline=records[baseline] if len(rows) > 1 else None,
        batch=batch,
        notes=(*notes, *published_note(published or {})),
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
