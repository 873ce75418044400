"""The sections of a report about all models: overview, measurements, training, claims, environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from archbench.analyze.compare import ModelRow, comparison_row
from archbench.analyze.explain.explain import TraceExplanation
from archbench.reporting.page.contents import ReportContents, ReportModel
from archbench.reporting.page.payload import PageData
from archbench.reporting.table import Column, Table
from archbench.reporting.tables.bench import bench_table
from archbench.reporting.tables.model import comparison_table
from archbench.reporting.tables.model_caveats import caveats
from archbench.reporting.tables.published import claims_table
from archbench.reporting.tables.train import accuracy_table, metrics_table
from archbench.units import format_bytes, format_figure

_ERRORS = "Top-5 errors are as published, of single networks on ImageNet; each model's section says by which protocol."
_BARS = ("params", "macs", "flops", "neurons", "param_bytes", "peak_inference_bytes")


def add_overview(
    data: PageData, contents: ReportContents, explanations: Sequence[TraceExplanation], anchors: Mapping[str, str]
) -> Table:
    """Add the comparison, one row per model with a link to its section, and return the table."""
    counted = list(zip(contents.models, explanations, strict=True))
    rows = [_row(model, explanation) for model, explanation in counted]
    sentences = [
        caveat
        for model, explanation in counted
        for caveat in caveats(model.address, explanation.table, model.trace.real_data_reason)
    ]
    notes = [_ERRORS] if any(row.reported_top5_error_percent is not None for row in rows) else []
    # Without a baseline: ratios to the first model would add a number to every cell, and bars show the same.
    table = comparison_table(rows, baseline=0, batch=1, mode="eval", notes=notes, caveats=sentences)
    table = replace(table, baseline=None)
    links = [anchors[model.address] for model in contents.models]
    data.add_table("overview", table, bars=_BARS, more={"links": links})
    data.add_view("overview", "overview", "All models")
    return table


def _row(model: ReportModel, explanation: TraceExplanation) -> ModelRow:
    card, inputs = model.card, model.trace.inputs
    return comparison_row(
        model.address,
        explanation.table.totals,
        title=card.title if card else "",
        year=card.year if card else None,
        input_shape=inputs[0].shape if inputs else (),
        reported_top5_error_percent=model.reported_error,
    )


def add_measured(data: PageData, contents: ReportContents) -> Table | None:
    """Add the measurements, one row each, and return the table; None where there are none."""
    if not contents.results:
        return None
    table = bench_table(contents.results)
    is_single = len({result.machine for result in contents.results}) == 1
    machine = Column("machine", "Machine", "text", None if is_single else 17)
    table = replace(table, columns=(*table.columns, machine))
    trivial = () if any(result.configuration.compiled for result in contents.results) else ("compiled",)
    data.add_table("measured", table, bars=("images_per_s",), hidden=("run_id", "started_at", *trivial))
    data.add_view("measured", "measured", f"Measurements, {contents.newest_of or 'the newest first'}")
    return table


def add_training(data: PageData, contents: ReportContents) -> Table | None:
    """Add the accuracies and all epochs, and return the table of accuracies; None where there is no run."""
    run = contents.run
    if run is None:
        return None
    figures = run.figures
    table = accuracy_table(figures.accuracies, figures.outcomes, figures.record, run.verdict)
    data.add_table("training", table, bars=("top1_mean",))
    data.add_view("training", "training", table.title)
    data.add_table("epochs", metrics_table(figures.epochs))
    data.add_view("epochs", "epochs", "Every epoch of every model and seed")
    return table


def add_claims(data: PageData, contents: ReportContents) -> Table | None:
    """Add the published figures with their verdicts, and return the table; None where there are none."""
    if not contents.claims:
        return None
    table = claims_table(contents.claims)
    # The rows of a page are the records, with the layer apart from its model.
    shown = (replace(column, priority=0) if column.field == "layer" else column for column in table.columns)
    columns = (replace(column, wraps=True) if column.field == "source" else column for column in shown)
    table = replace(table, columns=tuple(columns))
    data.add_table("claims", table)
    data.add_view("claims", "claims", table.title)
    return table


def add_environment(data: PageData, contents: ReportContents) -> None:
    """Add the environments: a column for this page, for each machine that measured, and for the training run."""
    records = {"This page": dict(_flat(contents.environment))}
    # Results come newest first: reversed, the newest result of each machine is kept.
    for result in reversed(contents.results):
        records[f"Measured: {result.configuration.device} ({result.machine})"] = dict(_flat(result.environment))
    if contents.run is not None and contents.run.environment:
        records[f"Trained: {contents.run.name}"] = dict(_flat(contents.run.environment))
    names = dict.fromkeys(name for record in records.values() for name in record)
    columns = [Column("what", "What", "text", 0), *(Column(f"c{i}", head, "text", 1) for i, head in enumerate(records))]
    rows = [
        {"what": name, **{f"c{i}": _text(name, record.get(name)) for i, record in enumerate(records.values())}}
        for name in names
        if any(record.get(name) is not None for record in records.values())
    ]
    data.add_table("environment", Table(columns=tuple(columns), rows=rows))
    data.add_view("environment", "environment", "Versions and circumstances")


def _flat(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield names and values; nested names are joined with a point, as `flags.mkldnn`."""
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _text(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if name.endswith("_bytes") and isinstance(value, int):
        return format_bytes(value)
    return format_figure(value) if isinstance(value, int | float | str) else str(value)
