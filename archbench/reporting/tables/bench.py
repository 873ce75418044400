"""Columns of the tables of measured results, and what must be said beside them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from archbench.measure.bench.ab_test import Duel
from archbench.measure.bench.compare_runs import Differing, RunComparison
from archbench.reporting.table import Column, Table
from archbench.statistics.pairs import Verdict
from archbench.store.records import Configuration, Result, described
from archbench.units import format_percent, format_ratio, format_time

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

# Only where a step was replayed: by the contract a table of results has no such column.
_GRAPHS = Column("graphs", "Graph", "text", 10)

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
    Column("graphs", "Graph", "plain"),
)

_RUNS = (
    Column("a", "A", "text", 0),
    Column("b", "B", "text", 1),
    Column("verdict", "A is", "text", 2),
    Column("ratio", "Ratio", "measure", 3),
    Column("low", "Low", "measure", 4),
    Column("high", "High", "measure", 4),
    Column("images_per_s_a", "Images/s of A", "measure", 5),
    Column("images_per_s_b", "of B", "measure", 5),
    Column("differences", "Differing"),
)

# What follows from both runs of a comparison.
_RATIO = ("ratio", "low", "high")

# What follows from the times: in an implausible result it is no fact.
_TIMED = frozenset(
    (
        *("images_per_s", "images_per_s_low", "images_per_s_high", "flop_per_s", "utilisation", "energy_j_per_image"),
        *("latency_s_median", "latency_s_p90", "latency_s_p99"),
    )
)


_SHORT_ID = 8


class BenchTable(Table):
    """A table of results: people see no rate that is not to be believed; CSV and JSON have it beside its status."""

    __slots__ = ()

    def text(self, column: Column, row: Mapping[str, Any]) -> str:
        """Return a cell as people read it: `flagged` for an implausible rate, nothing for what follows from it.

        Of a run's id the beginning, which is enough to name it.
        """
        if column.field == "run_id":
            return str(row["run_id"])[:_SHORT_ID]
        if row["status"] == "implausible" and column.field in _TIMED:
            return "flagged" if column.field == "images_per_s" else ""
        return super().text(column, row)


class RunsTable(Table):
    """A comparison of two runs: people see the beginning of an id, and no rate that is not to be believed.

    CSV has what differs in one cell. `flagged` of a row are the fields that are not to be believed.
    """

    __slots__ = ()

    def text(self, column: Column, row: Mapping[str, Any]) -> str:
        """Return a cell as people read it: `flagged` for what is not to be believed, nothing for its ratio."""
        if column.field in ("a", "b"):
            return str(row[column.field])[:_SHORT_ID]
        if column.field in row["flagged"]:
            return "" if column.field in _RATIO else "flagged"
        return super().text(column, row)

    def raw(self, column: Column, row: Mapping[str, Any]) -> Any:
        """Return a cell as CSV has it."""
        if column.field != "differences":
            return super().raw(column, row)
        return "; ".join(f"{one['field']}: {one['a']}, {one['b']}" for one in row["differences"])


def bench_table(results: Sequence[Result], *, title: str = "") -> Table:
    """Return one row a result; why one is not ok is said below it, and for implausible ones to every reader.

    So are the phases of a training step, where they were timed.
    """
    return BenchTable(
        columns=(*_BENCH, _GRAPHS) if any(result.configuration.graphs for result in results) else _BENCH,
        rows=[_record(result) for result in results],
        title=title,
        notes=(
            *_remarks(result for result in results if result.status != "implausible"),
            *(_phases(result) for result in results if result.phases_s),
        ),
        caveats=_remarks(result for result in results if result.status == "implausible"),
    )


def duel_table(found: Duel, *, configuration: Configuration, other: str) -> Table:
    """Return the one row of a comparison in pairs."""
    kept = ("device", "mode", "batch", "dtype", "layout", "compiled", "graphs")
    row = {"a": configuration.model, "b": other, **asdict(found.comparison)}
    comparison = found.comparison
    low, high = (format_ratio(bound) for bound in (comparison.low, comparison.high))
    return Table(
        columns=_DUEL,
        rows=[{**row, **{field: getattr(configuration, field) for field in kept}}],
        title=f"{configuration.device}, {configuration.mode}, batch {configuration.batch}, {configuration.dtype}",
        notes=(
            f"{_said(comparison.verdict, comparison.ratio)} (95% interval of the ratio {low} to {high}).",
            "Ratio: B's time over A's, median of pairs in ABBA order. A/A floor: by how much A differs from itself.",
        ),
    )


def duel_document(table: Table, found: Duel) -> list[dict[str, Any]]:
    """Return the row of a comparison with its raw samples: seconds an image, pair by pair."""
    samples = {"a_s": found.a_s, "b_s": found.b_s, "again_s": found.again_s}
    return [{**{column.field: row[column.field] for column in table.columns}, **samples} for row in table.rows]


def runs_table(found: RunComparison, a: Result, b: Result) -> Table:
    """Return the one row of a comparison of two stored runs, and below it in what else they differ."""
    low, high = format_ratio(found.low), format_ratio(found.high)
    flagged = _flagged(a, b)
    row = {
        **{"a": a.run_id, "b": b.run_id, "verdict": found.verdict, "ratio": found.ratio, "low": found.low},
        **{"high": found.high, "images_per_s_a": a.images_per_s, "images_per_s_b": b.images_per_s},
        "differences": [asdict(one) for one in found.differences],
        "flagged": flagged,
    }
    doubtful = [result for result in (a, b) if result.status != "ok"]
    return RunsTable(
        columns=_RUNS,
        rows=[row],
        title=f"A: {described(a.configuration)}, {a.started_at}\nB: {described(b.configuration)}, {b.started_at}",
        notes=(
            "A flagged rate is not to be believed, nor what follows from it; CSV and JSON have the numbers."
            if flagged
            else f"{_said(found.verdict, found.ratio)} (95% interval of the ratio {low} to {high}).",
            "They differ in " + ", ".join(map(_difference, found.differences)) + "."
            if found.differences
            else "Nothing else that is known differs.",
            _how_measured(a, b),
        ),
        caveats=_remarks(doubtful),
    )


def _how_measured(a: Result, b: Result) -> str:
    is_by_one = any(len(run.samples_per_process) == 1 for run in (a, b))
    by_one = ", and by one process alone, of which another may differ by more than the interval" if is_by_one else ""
    return f"Measured one after the other, not in turns{by_one}: less sure than 'archbench bench A --versus B'."


def _flagged(a: Result, b: Result) -> list[str]:
    """Return the fields of a comparison that are not to be believed, for a run is implausible."""
    rates = [f"images_per_s_{name}" for name, run in (("a", a), ("b", b)) if run.status == "implausible"]
    return [*rates, "verdict", *_RATIO] if rates else []


def raw_document(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return everything that is known of each result: the table's columns first; JSON has no NaN, it becomes null."""
    records = [_record(result) for result in results]
    shown = [{column.field: record.pop(column.field) for column in _BENCH} for record in records]
    documents = [{**first, **rest} for first, rest in zip(shown, records, strict=True)]
    clean: list[dict[str, Any]] = json.loads(json.dumps(documents), parse_constant=lambda _: None)
    return clean


def _record(result: Result) -> dict[str, Any]:
    # asdict would copy the samples too, which are thousands.
    values = {field.name: getattr(result, field.name) for field in fields(result)}
    return {**asdict(values.pop("configuration")), **values}


def _remarks(results: Iterable[Result]) -> tuple[str, ...]:
    """Say once what is the matter with each result that something is the matter with."""
    return tuple(dict.fromkeys(_remark(result) for result in results if result.status != "ok" or result.flags))


def _remark(result: Result) -> str:
    status = () if result.status == "ok" else (result.status.replace("_", " "),)
    why = "; ".join(filter(None, (*status, result.reason, *result.flags)))
    return f"{described(result.configuration)}: {why}"


def _phases(result: Result) -> str:
    """Say what each phase of a step takes, and what part of all of them."""
    whole_s = sum(result.phases_s.values())
    said = (
        f"{name} {format_time(time_s)} ({format_percent(time_s / whole_s)})" for name, time_s in result.phases_s.items()
    )
    return f"{described(result.configuration)}, each phase waited for: {', '.join(said)}"


def _said(verdict: Verdict, ratio: float) -> str:
    said = {"faster": f"A is faster: {format_ratio(ratio)}", "slower": f"A is slower: {format_ratio(ratio)}"}
    return said.get(verdict, "No difference above the noise")


def _difference(found: Differing) -> str:
    return f"{found.field} ({found.a} against {found.b})"
