"""The data of a report page: each table and chart once, as plain values for JSON.

A cell is its raw value, as in CSV, or the pair of raw value and formatted text where the two differ. Sections show
views: all rows of a table, or some.
"""

from __future__ import annotations

import json
import math
import zlib
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from archbench.reporting.charts.save import with_printable_text
from archbench.reporting.table import Column, Table

# JavaScript's integers are exact up to here; larger ones are written as text, which sorts alike and stays exact.
_LARGEST_EXACT = 2**53
_MAJOR_COLUMNS = 4


@dataclass(slots=True)
class PageData:
    """Tables, views of their rows, and charts, by name; all charts share `datasets`, and `themes` configure them.

    `drawings` are those of the modules that open, by the id of their model's section, compressed.
    """

    themes: Mapping[str, Any]
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    views: dict[str, dict[str, Any]] = field(default_factory=dict)
    charts: dict[str, dict[str, Any]] = field(default_factory=dict)
    datasets: dict[str, Any] = field(default_factory=dict)
    drawings: dict[str, str] = field(default_factory=dict)

    def add_table(
        self,
        name: str,
        table: Table,
        *,
        bars: Iterable[str] = (),
        hidden: Iterable[str] = (),
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """Add a table; `bars` are fields shown with bars, `hidden` fields are in its CSV only, `more` adds keys."""
        self.tables[name] = {**_page_table(table, frozenset(bars), frozenset(hidden)), **(more or {})}

    def add_view(self, name: str, table: str, caption: str, rows: Sequence[int] | None = None) -> str | None:
        """Add a view of some or all rows of a table and return its name; None where it has no row."""
        if table not in self.tables or not (self.tables[table]["rows"] if rows is None else rows):
            return None
        self.views[name] = {"table": table, "caption": caption, **({} if rows is None else {"rows": list(rows)})}
        return name

    def add_chart(self, spec: Mapping[str, Any]) -> str:
        """Add a chart's specification, with its data sets among those of all charts, and return its name."""
        spec = with_printable_text(spec)
        self.datasets |= spec.get("datasets", {})
        name = f"chart-{len(self.charts) + 1}"
        left_out = ("datasets", "config", "$schema")
        self.charts[name] = {key: value for key, value in spec.items() if key not in left_out}
        return name

    def document(self) -> dict[str, Any]:
        """Return all data for JSON; numbers that are not finite become null."""
        names = ("themes", "tables", "views", "charts", "datasets", "drawings")
        return {name: _finite(getattr(self, name)) for name in names}


def _page_table(table: Table, bars: frozenset[str], hidden: frozenset[str]) -> dict[str, Any]:
    """Return a table's columns, rows and totals; a narrow window hides all but the columns of highest priority."""
    shown = [column for column in table.columns if column.field not in hidden and _is_shown(column, table)]
    major = {column.field for column in sorted(shown, key=lambda column: column.priority or 0)[:_MAJOR_COLUMNS]}
    columns = [
        {
            "field": column.field,
            "heading": column.heading,
            **({"number": True} if column.is_number else {}),
            **({"prose": True} if column.wraps else {}),
            **({"bar": True} if column.field in bars else {}),
            **({} if column in shown else {"hidden": True}),
            **({"minor": True} if column in shown and column.field not in major else {}),
        }
        for column in table.columns
    ]
    totals = {} if table.totals is None else {"totals": page_cells(table, table.totals)}
    return {"columns": columns, "rows": [page_cells(table, row) for row in table.rows], **totals}


def _is_shown(column: Column, table: Table) -> bool:
    return column.priority is not None and any(table.text(column, row) for row in table.rows)


def page_cells(table: Table, row: Mapping[str, Any]) -> list[Any]:
    """Return a row's cells, in the order of the table's columns."""
    return [_cell(table, column, row) for column in table.columns]


def _cell(table: Table, column: Column, row: Mapping[str, Any]) -> Any:
    value = row.get(column.field)
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    raw, text = table.raw(column, row), table.text(column, row)
    if isinstance(raw, bool) or (isinstance(raw, int) and abs(raw) > _LARGEST_EXACT):
        raw = str(raw)
    return raw if text == str(raw) else [raw, text]


def packed(value: Any) -> str:
    """Return plain values compressed, a tenth as long as JSON: zlib's format, which browsers read, in base 64."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return b64encode(zlib.compress(text.encode("utf-8", "surrogatepass"), 9)).decode()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value
