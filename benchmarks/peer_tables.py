"""A comparison of tools as tables: the counts, why they differ, and the products of the right one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from peer_comparison import Comparison
from peer_differences import Difference
from peer_tools import Answer

from archbench.reporting.export import markdown, text
from archbench.reporting.table import Column, Table

_COUNTS = (
    Column("tool", "Tool", priority=0),
    Column("raw", "Counted", "plain", priority=3),
    Column("unit", "Unit", priority=3),
    Column("macs", "MACs", "plain", priority=1),
    Column("difference", "Difference", "plain", priority=2),
    Column("time_s", "Time", "time", priority=4),
)
_DIFFERENCES = (
    Column("tool", "Tool", priority=0),
    Column("macs", "MACs", "plain", priority=1),
    Column("modules", "Modules", priority=2),
    Column("what", "Missed (−) or added (+)", priority=3, wraps=True),
    Column("first", "First module", priority=4),
)
_PRODUCTS = (
    Column("operator", "Operator", priority=0),
    Column("calls", "Calls", "integer", priority=1),
    Column("factors", "MACs of a call", priority=3),
    Column("macs", "MACs", "plain", priority=2),
)


def to_text(comparison: Comparison) -> str:
    """Return the tables for a terminal, of which few are wide enough for the paths of modules."""
    narrow = [
        replace(table, columns=tuple(column for column in table.columns if column.field != "first"))
        for table in tables(comparison)
    ]
    return "\n".join(map(text.to_text, narrow))


def to_markdown(comparison: Comparison) -> str:
    """Return the tables in Markdown."""
    return "\n".join(markdown.to_markdown(table) for table in tables(comparison))


def tables(comparison: Comparison) -> list[Table]:
    """Return the counts, the differences and the products, as far as there are any."""
    differ = [(tool, item) for tool, found in comparison.differences.items() for item in found]
    made = [_counts(comparison)]
    if differ:
        made.append(_differences(comparison, differ))
    return [*made, _products(comparison)] if comparison.derivations else made


def _counts(comparison: Comparison) -> Table:
    own = {
        "tool": "archbench",
        "raw": f"{comparison.macs:,}",
        "unit": "MACs",
        "macs": f"{comparison.macs:,}",
        "time_s": comparison.time_s,
    }
    return Table(
        _COUNTS,
        [own, *(_count(item, comparison.macs) for item in comparison.answers)],
        title=f"{comparison.model}, input {comparison.input}, eval",
        notes=(comparison.verdict, *_failures(comparison), *_versions(comparison), *_not_installed(comparison)),
    )


def _count(item: Answer, right: int) -> dict[str, Any]:
    if item.figures is None:
        return {"tool": item.tool, "unit": "fails", "time_s": item.time_s}
    change = item.figures.macs - right
    return {
        "tool": item.tool,
        "raw": f"{item.figures.raw:,.0f}",
        "unit": item.figures.unit,
        "macs": f"{item.figures.macs:,.0f}",
        "difference": _signed(change) if change else "0",
        "time_s": item.time_s,
    }


def _versions(comparison: Comparison) -> list[str]:
    versions = [f"archbench {version('archbench')}", *(f"{item.tool} {item.version}" for item in comparison.answers)]
    return [f"Versions: {', '.join(versions)}. Times are of one call."]


def _failures(comparison: Comparison) -> list[str]:
    return [f"{item.tool} fails: {item.error}." for item in comparison.answers if item.figures is None]


def _not_installed(comparison: Comparison) -> list[str]:
    return [f"Not installed: {tool} (pip install {tool})." for tool in comparison.missing]


def _differences(comparison: Comparison, differ: list[tuple[str, Difference]]) -> Table:
    rows = [
        {
            "tool": tool,
            "macs": _signed(item.macs),
            "modules": f"{item.modules} {item.type}" if item.modules else "",
            "what": item.what,
            "first": item.first,
        }
        for tool, item in differ
    ]
    missed = dict.fromkeys(tool for tool, item in differ if item.kind == "missed")
    reported = [
        f"{item.tool} reports that it does not count: {_calls(item.figures.unsupported)}."
        for item in comparison.answers
        if item.figures is not None and item.figures.unsupported
    ]
    silent = [tool for tool in missed if not any(note.startswith(f"{tool} ") for note in reported)]
    if silent:
        reported.append(f"Missed without a message, by default: {', '.join(silent)}.")
    return Table(_DIFFERENCES, rows, title="Why they differ", notes=tuple(reported))


def _calls(operators: Mapping[str, int]) -> str:
    return ", ".join(f"{name.removeprefix('aten::')} {calls}" for name, calls in operators.items())


def _products(comparison: Comparison) -> Table:
    rows = [
        {
            "operator": item.operator,
            "calls": item.calls,
            "factors": "·".join(map(str, item.factors)) or "by the rule in `archbench costs`",
            "macs": f"{item.macs:,}",
        }
        for item in comparison.derivations
    ]
    totals = {
        "operator": "Total",
        "calls": sum(item.calls for item in comparison.derivations),
        "macs": f"{sum(item.macs for item in comparison.derivations):,}",
    }
    return Table(_PRODUCTS, rows, title="The products, from their shapes", totals=totals)


def _signed(macs: float) -> str:
    return f"{macs:+,.0f}".replace("-", "−")
