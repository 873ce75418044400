"""A table on its way out: raw rows, and for each column how it is written for people, in CSV and in JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from archbench.units import (
    format_bytes,
    format_bytes_change,
    format_change,
    format_count,
    format_dimensions,
    format_figure,
    format_float,
    format_integer,
    format_measure,
    format_percent,
    format_ratio,
    format_step,
    format_text,
    format_time,
)

Kind = Literal[
    "text",
    "figure",
    "integer",
    "count",
    "bytes",
    "float",
    "measure",
    "percent",
    "time",
    "plain",
    "change",
    "change_bytes",
    "shape",
    "window",
    "step",
]

_TEXT: dict[Kind, Callable[[Any], str]] = {
    "text": format_text,
    "figure": format_figure,
    "integer": format_integer,
    "count": format_count,
    "bytes": format_bytes,
    "float": format_float,
    "measure": format_measure,
    "percent": format_percent,
    "time": format_time,
    "plain": format_text,
    "change": format_change,
    "change_bytes": format_bytes_change,
    "shape": format_dimensions,
    "window": format_dimensions,
    "step": format_step,
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the record's field, what heads it for people, how it is written.

    Where a page is too narrow, columns with the largest `priority` go first; None is left to CSV and JSON. A column
    that `wraps` is prose and takes what width is left; one that `cuts` may lose its end there. Where `hides_zero`, zero
    is blank except in the totals. A column that `shortens` has four digits of its integers where a page is too narrow
    for all.
    """

    field: str
    heading: str
    kind: Kind = "text"
    priority: int | None = None
    compared: bool = False
    wraps: bool = False
    cuts: bool = False
    hides_zero: bool = False
    shortens: bool = False

    @property
    def is_number(self) -> bool:
        """Whether the column is set flush right."""
        return self.kind not in ("text", "figure", "shape", "window")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of raw values by field, in the order of `columns`, with an optional last line of totals.

    `batch` is what shapes have in front, None where each row has its own; people and CSV readers do not see it there.
    `baseline` is the row that `compared` columns are set in relation to. `folded` are the rows for people where those
    differ: a tree, with equal blocks once. Text has the field `group` as a line above the rows that share it instead of
    a column. `bar` is the field that bars on a terminal show.

    Below the table stand `notes`: what the columns do not say, in at most two lines of 80 columns with the number of
    columns that do not fit; definitions belong to the help and the documentation. `doubts` are sentences that make a
    figure of this table doubtful, below it too, each on lines of its own and as many as there are. `caveats` are the
    same for the model itself; the command line writes them to standard error.
    """

    columns: tuple[Column, ...]
    rows: Sequence[Mapping[str, Any]]
    title: str = ""
    totals: Mapping[str, Any] | None = None
    baseline: Mapping[str, Any] | None = None
    batch: int | None = None
    folded: Sequence[Mapping[str, Any]] | None = None
    group: str = ""
    bar: str = ""
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()

    def text(self, column: Column, row: Mapping[str, Any]) -> str:
        """Return a cell as people read it; empty where there is no value."""
        value = self._without_batch(column, row)
        if value is None or (value == 0 and column.hides_zero and row is not self.totals):
            return ""
        text = _TEXT[column.kind](value)
        reference = self.baseline[column.field] if self.baseline is not None and column.compared else None
        return f"{text} {format_ratio(value / reference)}" if reference else text

    def raw(self, column: Column, row: Mapping[str, Any]) -> Any:
        """Return a cell as CSV has it: raw numbers, sizes joined by x, empty where there is no value."""
        value = self._without_batch(column, row)
        if column.kind in ("shape", "window", "step") and value is not None:
            return _TEXT[column.kind](value)
        return "" if value is None else value

    def shown_rows(self) -> Sequence[Mapping[str, Any]]:
        """Return the rows that are meant for people."""
        return self.rows if self.folded is None else self.folded

    def shown(self) -> list[Column]:
        """Return the columns that are meant for people."""
        return [column for column in self.columns if column.priority is not None]

    def _without_batch(self, column: Column, row: Mapping[str, Any]) -> Any:
        value = row.get(column.field)
        batch = row.get("batch") if self.batch is None else self.batch
        if column.kind == "shape" and value and value[0] == batch:
            return value[1:]
        return value
