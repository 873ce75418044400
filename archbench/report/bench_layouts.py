"""Columns of the tables of measured results, and what must be said beside them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from archbench.measure.duel import Duel
from archbench.report.table import Column, Table
from archbench.store.records import Configuration, Result
from archbench.units import format_ratio

_BENCH = (
    Column("run_id", "Run", "text", 14),
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
)

_DUEL = (
    Column("a", "A", "text", 0),
    Column("b", "B", "text", 1),
    Column("verdict", "A is", "text", 2),
    Column("ratio", "Ratio", "measure", 3),
    Column("low", "Low", "measure", 4),
    Column("high", "High", "measure", 4),
    Column("floor", "A/A floor", "percent", 5),
    Column("p_value", "p", "figure", 6),
    Column("num_pairs", "Pairs", "plain", 7),
    Column("device", "Device", "text"),
    Column("mode", "Mode", "text"),
    Column("batch", "Batch", "plain"),
    Column("dtype", "Dtype", "text"),
    Column("layout", "Layout", "text"),
    Column("compiled", "Compiled", "plain"),
)

# What follows from the times: in an implausible result it is no fact.
_TIMED = frozenset(
    (
        *("images_per_s", "images_per_s_low", "images_per_s_high", "flop_per_s", "utilisation", "energy_j_per_image"),
        *("latency_s_median", "latency_s_p90", "latency_s_p99"),
    )
)


class BenchTable(Table):
    """A table of results: people see no rate that is not to be believed; CSV and JSON have it beside its status."""

    __slots__ = ()

    def text(self, column: Column, row: Mapping[str, Any]) -> str:
        """Return a cell as people read it: `flagged` for an implausible rate, nothing for what follows from it."""
        if row["status"] == "implausible" and column.field in _TIMED:
            return "flagged" if column.field == "images_per_s" else ""
        return super().text(column, row)


def bench_table(results: Sequence[Result], *, title: str = "") -> Table:
    """Return one row a result; why one is not ok is said below it, and for implausible ones to every reader."""
    return BenchTable(
        columns=_BENCH,
        rows=[_record(result) for result in results],
        title=title,
        notes=_remarks(result for result in results if result.status != "implausible"),
        caveats=_remarks(result for result in results if result.status == "implausible"),
    )


def duel_table(found: Duel, *, configuration: Configuration, other: str) -> Table:
    """Return the one row of a comparison in pairs."""
    kept = ("device", "mode", "batch", "dtype", "layout", "compiled")
    row = {"a": configuration.model, "b": other, **asdict(found.comparison)}
    comparison = found.comparison
    low, high = (format_ratio(bound) for bound in (comparison.low, comparison.high))
    said = {
        "faster": f"A is faster: {format_ratio(comparison.ratio)} (95% interval {low} to {high}).",
        "slower": f"A is slower: {format_ratio(comparison.ratio)} (95% interval {low} to {high}).",
    }.get(comparison.verdict, f"No difference above the noise (95% interval of the ratio {low} to {high}).")
    return Table(
        columns=_DUEL,
        rows=[{**row, **{field: getattr(configuration, field) for field in kept}}],
        title=f"{configuration.device}, {configuration.mode}, batch {configuration.batch}, {configuration.dtype}",
        notes=(
            said,
            "Ratio: B's time over A's, median of pairs in ABBA order. A/A floor: by how much A differs from itself.",
        ),
    )


def raw_document(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return everything that is known of each result: the table's columns first; JSON has no NaN, it becomes null."""
    records = [_record(result) for result in results]
    shown = [{column.field: record.pop(column.field) for column in _BENCH} for record in records]
    documents = [{**first, **rest} for first, rest in zip(shown, records, strict=True)]
    clean: list[dict[str, Any]] = json.loads(json.dumps(documents), parse_constant=lambda _: None)
    return clean


def _record(result: Result) -> dict[str, Any]:
    values = asdict(result)
    return {**values.pop("configuration"), **values}


def _remarks(results: Iterable[Result]) -> tuple[str, ...]:
    """Say once what is the matter with each result that something is the matter with."""
    return tuple(dict.fromkeys(_remark(result) for result in results if result.status != "ok" or result.flags))


def _remark(result: Result) -> str:
    what = result.configuration
    status = () if result.status == "ok" else (result.status.replace("_", " "),)
    why = "; ".join(filter(None, (*status, result.reason, *result.flags)))
    return f"{what.model}, {what.mode}, batch {what.batch}, {what.dtype}, {what.layout}: {why}"
