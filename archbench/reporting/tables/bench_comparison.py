"""Tables of two measurements side by side: an A/B test, and two stored runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from archbench.measure.bench.ab_test import ABSamples
from archbench.measure.bench.compare_runs import Difference, RunComparison
from archbench.reporting.table import Column, Table
from archbench.reporting.tables.bench import remarks, short_id
from archbench.statistics.pairs import Comparison, Verdict
from archbench.store.records import Configuration, Result, described
from archbench.units import format_percent, format_ratio

_AB_TEST = (
    Column("a", "A", "text", 0),
    Column("b", "B", "text", 1),
    Column("verdict", "A is", "text", 5),
    Column("ratio", "Ratio", "measure", 2),
    Column("low", "Low", "measure", 3),
    Column("high", "High", "measure", 3),
    Column("floor", "A/A floor", "percent", 4),
    Column("p_value", "p", "figure", 6),
    Column("num_rounds", "Rounds", "plain", 7),
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

# Columns that depend on both runs.
_RATIO = ("ratio", "low", "high")


def ab_test_table(
    samples: ABSamples, *, a: Configuration, b: str, max_slowdown: float | None = None, passed: bool = True
) -> Table:
    """Return the one row of an A/B test, with what it says about a limit for the slowdown."""
    shown = ("device", "mode", "batch", "dtype", "layout", "compiled", "graphs")
    comparison = samples.comparison
    row = {"a": a.model, "b": b, **asdict(comparison), **{field: getattr(a, field) for field in shown}}
    return Table(
        columns=_AB_TEST,
        rows=[row],
        title=f"{a.device}, {a.mode}, batch {a.batch}, {a.dtype}",
        notes=(
            *_limit(comparison, max_slowdown, passed),
            _verdict(comparison.verdict, comparison.ratio, comparison.low, comparison.high),
        ),
    )


def _limit(comparison: Comparison, max_slowdown: float | None, passed: bool) -> tuple[str, ...]:
    if max_slowdown is None:
        return ()
    limit = format_percent(max_slowdown)
    if passed:
        return (f"Passed: a slowdown beyond {limit} is not shown.",)
    return (f"Failed: A is slower by at least {format_percent(comparison.least_slowdown)}; {limit} is allowed.",)


def ab_test_document(table: Table, samples: ABSamples) -> list[dict[str, Any]]:
    """Return the row of an A/B test with its raw samples: seconds per image, pair by pair."""
    raw = {"a_s": samples.a_s, "b_s": samples.b_s, "again_s": samples.again_s}
    return [{**{column.field: row[column.field] for column in table.columns}, **raw} for row in table.rows]


class RunsTable(Table):
    """A comparison of two runs that shows no implausible rate, nor what follows from it; CSV and JSON have all.

    The entry `flagged` of a row lists the fields that are implausible.
    """

    __slots__ = ()

    def text(self, column: Column, row: Mapping[str, Any]) -> str:
        """Return a cell as text: `flagged` for an implausible value, blank for its ratio."""
        if column.field in ("a", "b"):
            return short_id(row[column.field])
        if column.field in row["flagged"]:
            return "" if column.field in _RATIO else "flagged"
        return super().text(column, row)

    def raw(self, column: Column, row: Mapping[str, Any]) -> Any:
        """Return a cell for CSV, where all differences share one cell."""
        if column.field != "differences":
            return super().raw(column, row)
        return "; ".join(f"{each['field']}: {each['a']}, {each['b']}" for each in row["differences"])


def runs_table(comparison: RunComparison, a: Result, b: Result) -> Table:
    """Return the one row of a comparison of two stored runs; notes list what else differs."""
    flagged = _flagged(a, b)
    row = {
        **{"a": a.run_id, "b": b.run_id, "verdict": comparison.verdict, "ratio": comparison.ratio},
        **{"low": comparison.low, "high": comparison.high},
        **{"images_per_s_a": a.images_per_s, "images_per_s_b": b.images_per_s},
        "differences": [asdict(difference) for difference in comparison.differences],
        "flagged": flagged,
    }
    return RunsTable(
        columns=_RUNS,
        rows=[row],
        title=f"A: {described(a.configuration)}, {a.started_at}\nB: {described(b.configuration)}, {b.started_at}",
        notes=(
            "A flagged rate is not to be believed, nor what follows from it; CSV and JSON have the numbers."
            if flagged
            else _verdict(comparison.verdict, comparison.ratio, comparison.low, comparison.high),
            "They differ in " + ", ".join(map(_difference, comparison.differences)) + "."
            if comparison.differences
            else "Nothing else that is known differs.",
            _how_measured(a, b),
        ),
        caveats=remarks(result for result in (a, b) if result.status != "ok"),
    )


def _how_measured(a: Result, b: Result) -> str:
    is_by_one = any(len(run.samples_per_process) == 1 for run in (a, b))
    by_one = ", and by one process alone, of which another may differ by more than the interval" if is_by_one else ""
    return f"Measured one after the other, not in turns{by_one}: less sure than 'archbench bench A --versus B'."


def _flagged(a: Result, b: Result) -> list[str]:
    """Return the fields of a comparison that are implausible because a run is."""
    rates = [f"images_per_s_{name}" for name, run in (("a", a), ("b", b)) if run.status == "implausible"]
    return [*rates, "verdict", *_RATIO] if rates else []


def _verdict(verdict: Verdict, ratio: float, low: float, high: float) -> str:
    same = verdict == "no difference above the noise"
    text = "No difference above the noise" if same else f"A is {verdict}: {format_ratio(ratio)}"
    return f"{text} (95% interval of the ratio {format_ratio(low)} to {format_ratio(high)})."


def _difference(difference: Difference) -> str:
    return f"{difference.field} ({difference.a} against {difference.b})"
