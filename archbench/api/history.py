"""The record of the ImageNet challenge."""

from __future__ import annotations

from csv import DictReader
from dataclasses import dataclass
from importlib.resources import files

from archbench.analyze.dataflow import calls_of, weight_depth
from archbench.analyze.imagenet_history import Counted, HistoryRow, history_rows
from archbench.analyze.layers import layer_table
from archbench.models.loaded import load_model
from archbench.reporting.result import TableResult
from archbench.reporting.table import Table
from archbench.reporting.tables.published import history_table


@dataclass(frozen=True, repr=False)
class History(TableResult):
    """One row per entry of the ImageNet challenge: published error and depth, computed depth, parameters and MACs."""

    rows: tuple[HistoryRow, ...]

    def to_table(self) -> Table:
        """Return one row per entry."""
        return history_table(self.rows)


def history() -> History:
    """Return the ImageNet challenge by year: error and depth of its winners, and what the zoo's models of them cost."""
    entries = list(DictReader((files("zoo") / "history.csv").read_text(encoding="utf-8").splitlines()))
    counted = {model: _counted(model) for entry in entries if (model := entry["model"])}
    return History(tuple(history_rows(entries, counted)))


def _counted(model: str) -> Counted:
    trace = load_model(model).trace()
    return Counted(layer_table(trace).totals, weight_depth(calls_of(trace)))
