"""The ImageNet challenge by year: published errors and depths, with computed parameters and MACs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from archbench.analyze.layers import Totals


@dataclass(frozen=True, slots=True)
class Counted:
    """What is computed for the model of an entry. `depth` is the number of weight layers on the longest path."""

    totals: Totals
    depth: int


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
    depth: int | None
    params: int | None
    macs: int | None
    source: str


def history_rows(entries: Iterable[Mapping[str, str]], counted: Mapping[str, Counted]) -> list[HistoryRow]:
    """Return one row per entry; `counted` has each model that an entry names."""
    return [_row(entry, counted.get(entry["model"])) for entry in entries]


def _row(entry: Mapping[str, str], counted: Counted | None) -> HistoryRow:
    totals = counted.totals if counted else None
    return HistoryRow(
        year=int(entry["year"]) if entry["year"] else None,
        entry=entry["entry"],
        layers=int(entry["layers"]) if entry["layers"] else None,
        top5_error_percent=float(entry["top5_error_percent"]),
        model=entry["model"],
        source=entry["source"],
        depth=counted.depth if counted else None,
        **{name: getattr(totals, name, None) for name in ("weight_layers", "params", "macs")},
    )
