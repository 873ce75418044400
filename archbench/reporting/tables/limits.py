"""The table of a model's limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from archbench.analyze.limits import LimitRow
from archbench.reporting.table import Column, Table

_LIMITS = (
    Column("quantity", "Quantity", "text", 0),
    Column("value", "Value", "integer", 2),
    Column("limit", "Limit", "integer", 3),
    Column("excess", "Over", "integer", 4),
    Column("verdict", "Verdict", "text", 1),
    Column("source", "Limit from", "text", 5),
)


def limits_table(rows: Sequence[LimitRow], *, model: str, caveats: tuple[str, ...]) -> Table:
    """Return one row per limit."""
    return Table(
        columns=_LIMITS,
        rows=[asdict(row) for row in rows],
        title=f"{model}: {_verdict(rows)}",
        caveats=caveats,
    )


def _verdict(rows: Sequence[LimitRow]) -> str:
    missed = sum(row.verdict == "missed" for row in rows)
    if len(rows) == 1:
        return f"1 limit {'missed' if missed else 'kept'}"
    return f"{missed} of {len(rows)} limits missed" if missed else f"all {len(rows)} limits kept"
