"""Tables of published figures: claims with verdicts, and the record of the ImageNet challenge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, get_args

from archbench.analyze.claims import Judged, Outcome
from archbench.analyze.imagenet_history import HistoryRow
from archbench.reporting.table import Column, Table

_CLAIMS = (
    Column("id", "Claim", "text", 7),
    Column("source", "Source", "text", 6),
    Column("model", "Model", "text", 0),
    Column("layer", "Layer", "text"),
    Column("quantity", "Quantity", "text", 1),
    Column("claimed", "Claimed", "text", 3),
    Column("computed", "Computed", "figure", 4),
    Column("verdict", "Verdict", "text", 2),
    Column("note", "Note", "text", 5, wraps=True),
)
_QUANTITIES = {"filters_per_tower": "filters/tower", "top5_error_percent": "top-5 error %", "macs": "MACs"}

_HISTORY = (
    Column("year", "Year", "plain", 1),
    Column("entry", "Entry", "text", 0),
    Column("layers", "Layers", "plain", 3),
    Column("top5_error_percent", "Error %", "figure", 2),
    Column("model", "Model", "text", 4),
    Column("weight_layers", "Counted", "plain"),
    Column("depth", "Depth", "plain", 7),
    Column("params", "Params", "count", 5),
    Column("macs", "MACs", "count", 6),
    Column("source", "Source", "text"),
)


def claims_table(rows: Sequence[Judged]) -> Table:
    """Return one row per claim; the title counts the verdicts."""
    verdicts = Counter(row.verdict for row in rows)
    counts = ", ".join(f"{verdicts[name]} {name}" for name in get_args(Outcome) if verdicts[name])
    return Table(
        columns=_CLAIMS,
        rows=[asdict(row) for row in rows],
        folded=[_claim_line(row) for row in rows],
        group="source",
        title=f"{len(rows)} claims: {counts}",
    )


def _claim_line(row: Judged) -> dict[str, Any]:
    """Return a claim as people read it, the layer beside its model and billions in G."""
    return {
        **asdict(row),
        "model": f"{row.model} {row.layer}".strip(),
        "quantity": _quantity(row),
        "claimed": _in_billions(row.claimed, int(row.claimed)) if row.claimed.isdecimal() else row.claimed,
        "computed": _in_billions(row.computed, row.computed) if isinstance(row.computed, int) else row.computed,
    }


def _in_billions(shown: Any, figure: int) -> Any:
    """Return a figure of at least a billion as text, such as `11.3G`; otherwise as it is shown."""
    return shown if figure < 10**9 else f"{figure / 1e9:.5g}G"


def _quantity(row: Judged) -> str:
    """Return the quantity of a claim; that it is of two models is in their name, as `alexnet/lenet`."""
    quantity = row.quantity.removesuffix("_ratio").removesuffix("_difference")
    return _QUANTITIES.get(quantity, quantity.replace("_", " "))


def history_table(rows: Sequence[HistoryRow]) -> Table:
    """Return one row per entry of the ImageNet challenge."""
    return Table(
        columns=_HISTORY,
        rows=[asdict(row) for row in rows],
        title="ImageNet challenge, classification",
        notes=("Top-5 errors on the test set, mostly of ensembles; counts are of one network.",),
    )
