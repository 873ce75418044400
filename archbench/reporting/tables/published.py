"""Tables of published figures: claims with verdicts, and the record of the ImageNet challenge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import get_args

from archbench.analyze.claims import Judged, Outcome
from archbench.analyze.imagenet_history import HistoryRow
from archbench.reporting.table import Column, Table
from archbench.reporting.tables.model import CONVENTION

_CLAIMS = (
    Column("id", "Claim", "text", 0),
    Column("source", "Source", "text", 8),
    Column("model", "Model", "text", 5),
    Column("layer", "Layer", "text", 7),
    Column("quantity", "Quantity", "text", 6),
    Column("claimed", "Claimed", "text", 2),
    Column("computed", "Computed", "figure", 3),
    Column("verdict", "Verdict", "text", 1),
    Column("note", "Note", "text", 4, wraps=True),
)

_HISTORY = (
    Column("year", "Year", "plain", 1),
    Column("entry", "Entry", "text", 0),
    Column("layers", "Layers", "plain", 3),
    Column("top5_error_percent", "Top-5 err %", "figure", 2),
    Column("model", "Model", "text", 4),
    Column("weight_layers", "Counted", "plain"),
    Column("params", "Params", "count", 5),
    Column("macs", "MACs", "count", 6),
    Column("source", "Source", "text"),
)


def claims_table(rows: Sequence[Judged]) -> Table:
    """Return one row per claim; the title counts the verdicts."""
    verdicts = Counter(row.verdict for row in rows)
    counts = ", ".join(f"{verdicts[name]} {name}" for name in get_args(Outcome) if verdicts[name])
    return Table(columns=_CLAIMS, rows=[asdict(row) for row in rows], title=f"{len(rows)} claims: {counts}")


def history_table(rows: Sequence[HistoryRow]) -> Table:
    """Return one row per entry of the ImageNet challenge."""
    return Table(
        columns=_HISTORY,
        rows=[asdict(row) for row in rows],
        title="ImageNet challenge, classification",
        notes=(
            "Errors are the submissions', mostly ensembles on the test set; counts are of one network.",
            CONVENTION,
        ),
    )
