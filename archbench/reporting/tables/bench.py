"""The table of measured results, with warnings about their quality."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from archbench.models.identity import from_here
from archbench.reporting.table import Column, Table
from archbench.store.records import Result, described
from archbench.units import format_measure, format_percent, format_text, format_time

_BENCH = (
    Column("run_id", "Run", "text", 6),
    Column("started_at", "Started", "text", 13),
    Column("model", "Model", "text", 0),
    Column("device", "Device", "text", 6),
    Column("mode", "Mode", "text", 5),
    Column("batch", "Batch", "plain", 1),
    Column("dtype", "Dtype", "text", 2),
    Column("layout", "Layout", "text", 9),
    Column("compiled", "Compiled", "text", 10),
    Column("status", "Status", "text", 4),
    Column("images_per_s", "Images/s", "measure", 3),
    Column("images_per_s_low", "Low", "measure", 7),
    Column("images_per_s_high", "High", "measure", 7),
    Column("latency_s_median", "Latency", "time", 8),
    Column("latency_s_p90", "p90", "time", 12),
    Column("latency_s_p99", "p99", "time", 12),
    Column("flop_per_s", "FLOP/s", "count", 11),
    Column("utilisation", "Of peak", "percent", 9),
    Column("peak_allocated_bytes", "Memory", "bytes", 8),
    Column("peak_reserved_bytes", "Reserved", "bytes", 16),
    Column("compile_s", "Compiling", "time", 15),
    Column("energy_j_per_image", "J/image", "measure", 15),
    Column("predicted_images_per_s", "Predicted", "measure", 8),
    Column("first_step_s", "First step", "time", 17),
)

# Only where a step was replayed: the contract's columns do not have it.
_GRAPHS = Column("graphs", "Graph", "text", 10)

# Columns that follow from times, which are not facts in an implausible result.
_TIMED = frozenset(
    (
        *("images_per_s", "images_per_s_low", "images_per_s_high", "flop_per_s", "utilisation", "energy_j_per_image"),
        *("latency_s_median", "latency_s_p90", "latency_s_p99"),
    )
)
_SHORT_ID = 8
# Rate and latency of steady steps agree; by more than this factor they contradict each other.
_CONTRADICTION = 1.5


class BenchTable(Table):
    """A table of results that shows no implausible rate; CSV and JSON have it beside its status."""

    __slots__ = ()

    def text(self, column: Column, row: Mapping[str, Any]) -> str:
        """Return a cell as text: `flagged` for an implausible rate, blank for what follows from it; ids are cut."""
        if column.field == "run_id":
            return short_id(row["run_id"])
        if column.field == "model":
            return format_text(from_here(row["model"]))
        if row["status"] == "implausible" and column.field in _TIMED:
            return "flagged" if column.field == "images_per_s" else ""
        return super().text(column, row)


def short_id(run_id: Any) -> str:
    """Return the beginning of a run id, which is enough to name it."""
    return str(run_id)[:_SHORT_ID]


def bench_table(results: Sequence[Result], *, title: str = "") -> Table:
    """Return one row per result; doubts say why one is not ok, notes list phases, caveats why one is implausible."""
    return BenchTable(
        columns=(*_BENCH, _GRAPHS) if any(result.configuration.graphs for result in results) else _BENCH,
        rows=[_record(result) for result in results],
        title=title,
        notes=tuple(_phases(result) for result in results if result.phases_s),
        doubts=_reasons(result for result in results if result.status != "implausible"),
        caveats=remarks(result for result in results if result.status == "implausible"),
    )


def raw_document(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return every field of each result, the table's columns first; NaN and infinity, which JSON lacks, become null."""
    records = [_record(result) for result in results]
    shown = [{column.field: record.pop(column.field) for column in _BENCH} for record in records]
    documents = [{**first, **rest} for first, rest in zip(shown, records, strict=True)]
    clean: list[dict[str, Any]] = json.loads(json.dumps(documents), parse_constant=lambda _: None)
    return clean


def remarks(results: Iterable[Result]) -> tuple[str, ...]:
    """Return the status, reason and flags of each result that has any, without duplicates."""
    return tuple(dict.fromkeys(_remark(result) for result in results if result.status != "ok" or result.flags))


def _reasons(results: Iterable[Result]) -> tuple[str, ...]:
    """Return why each result is not ok; the status itself is a column."""
    reasons = ((result, "; ".join(filter(None, _doubts(result)))) for result in results)
    return tuple(dict.fromkeys(f"{described(result.configuration)}: {reason}" for result, reason in reasons if reason))


def _doubts(result: Result) -> Iterator[str]:
    yield result.reason
    yield from result.flags
    by_latency = result.configuration.batch / result.latency_s_median if result.latency_s_median else None
    if result.status != "ok" and by_latency and result.images_per_s:
        larger, smaller = max(by_latency, result.images_per_s), min(by_latency, result.images_per_s)
        if larger > _CONTRADICTION * smaller:
            rates = f"{format_measure(result.images_per_s)} images/s, but {format_measure(by_latency)}"
            yield f"{rates} by the median latency: neither is to be believed"


def _record(result: Result) -> dict[str, Any]:
    # asdict would copy thousands of samples.
    values = {field.name: getattr(result, field.name) for field in fields(result)}
    return {**asdict(values.pop("configuration")), **values}


def _remark(result: Result) -> str:
    status = () if result.status == "ok" else (result.status.replace("_", " "),)
    why = "; ".join(filter(None, (*status, result.reason, *result.flags)))
    return f"{described(result.configuration)}: {why}"


def _phases(result: Result) -> str:
    """Return the time of each phase of a step and its share."""
    total_s = sum(result.phases_s.values())
    phases = (
        f"{name} {format_time(time_s)} ({format_percent(time_s / total_s)})" for name, time_s in result.phases_s.items()
    )
    return f"{described(result.configuration)}, each phase waited for: {', '.join(phases)}"
