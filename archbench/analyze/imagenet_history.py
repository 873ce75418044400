"""The ImageNet challenge year by year: stated errors and depths beside computed parameters and MACs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from archbench.analyze.layers import Totals


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One entry. `layers` and the error are as stated; counts are computed for batch 1, None where there is no model.

    The error is that of the submission, mostly an ensemble, on the test set: not of the one network that is counted.
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


def chronicle(entries: Iterable[Mapping[str, str]], totals: Mapping[str, Totals]) -> list[HistoryRow]:
    """Return one row an entry; `totals` has the sums of each model that an entry names."""
    rows = []
    for entry in entries:
        counted = totals.get(entry["model"])
        rows.append(
            HistoryRow(
                year=int(entry["year"]) if entry["year"] else None,
                entry=entry["entry"],
                layers=int(entry["layers"]) if entry["layers"] else None,
                top5_error_percent=float(entry["top5_error_percent"]),
                model=entry["model"],
                weight_layers=counted.weight_layers if counted else None,
                params=counted.params if counted else None,
                macs=counted.macs if counted else None,
                source=entry["source"],
            )
        )
    return rows
