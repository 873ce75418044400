"""The ImageNet challenge by year: published errors and depths, with computed parameters and MACs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from archbench.analyze.layers import Totals


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One entry. `layers` and the error are published figures; counts are computed for batch 1, None without a model.

    The error is that of the submission on the test set, mostly of an ensemble rather than of the counted network.
    """

    year: int | None
    entry: str
    layers: int | None
    top5_error_percent: float
    model: str
    weight_layers: int | None
    params: int | None
    macs: int | None
    source: str


def history_rows(entries: Iterable[Mapping[str, str]], totals: Mapping[str, Totals]) -> list[HistoryRow]:
    """Return one row per entry; `totals` maps each model that an entry names to its sums."""
    return [_row(entry, totals.get(entry["model"])) for entry in entries]


def _row(entry: Mapping[str, str], totals: Totals | None) -> HistoryRow:
    return HistoryRow(
        year=int(entry["year"]) if entry["year"] else None,
        entry=entry["entry"],
        layers=int(entry["layers"]) if entry["layers"] else None,
        top5_error_percent=float(entry["top5_error_percent"]),
        model=entry["model"],
        source=entry["source"],
        **{name: getattr(totals, name, None) for name in ("weight_layers", "params", "macs")},
    )
