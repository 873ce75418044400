"""Arrange a table as its reader asks: sorted, the largest rows, some columns, shares of the total."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from archbench.errors import UsageError, choose
from archbench.reporting.table import Column, Table

Row = Mapping[str, Any]

# Columns that `percent` adds a share to.
_DIVIDED = ("params", "macs")
_DEFAULT_ORDER = "macs"


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What a reader asks of a table.

    `top` keeps the rows with the largest values of `sort`, by default of MACs. `columns` are fields, in their order;
    the name of the row always comes first. `percent` adds each row's share of the total parameters and MACs.
    """

    top: int | None = None
    sort: str | None = None
    columns: tuple[str, ...] = ()
    percent: bool = False

    def __post_init__(self) -> None:
        if self.top is not None and self.top < 1:
            raise UsageError("{top} is not a valid number of rows; give a whole number from 1", top=self.top)

    def apply(self, table: Table) -> Table:
        """Return the table arranged. Raises UsageError for a column that it does not have."""
        fields = [column.field for column in table.columns]
        if self.sort is not None or self.top is not None:
            field = choose("sort", self.sort, fields) if self.sort is not None else _DEFAULT_ORDER
            table = _largest(_ordered(table, field), self.top)
        if self.percent:
            table = _with_shares_of_totals(table)
        return _selected(table, self.columns) if self.columns else table


def column_names(columns: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the names in `a,b,c` or in a sequence, each once."""
    names = columns.split(",") if isinstance(columns, str) else columns or ()
    return tuple(dict.fromkeys(name.strip() for name in names))


def _ordered(table: Table, field: str) -> Table:
    """Return the rows by a field: the largest numbers first, text from A to Z, rows without a value last."""
    known = [row for row in table.rows if row.get(field) is not None]
    unknown = [row for row in table.rows if row.get(field) is None]
    is_text = any(isinstance(row[field], str) for row in known)
    known.sort(key=lambda row: row[field], reverse=not is_text)
    bar = field if table.totals is not None and isinstance(table.totals.get(field), int) else table.bar
    return replace(table, rows=[*known, *unknown], folded=None, bar=bar)


def _largest(table: Table, top: int | None) -> Table:
    """Return the first rows; for people, who see the totals, the sums of the others as a row of their own."""
    if top is None or top >= len(table.rows):
        return table
    kept, others = list(table.rows[:top]), table.rows[top:]
    name = f"{len(others)} other{'' if len(others) == 1 else 's'}"
    if table.totals is None:
        return replace(table, rows=kept, notes=(*table.notes, f"{name} not shown."))
    sums = {field: _sum(row.get(field) for row in others) for field in table.totals if _is_summed(table, field)}
    return replace(table, rows=kept, folded=[*kept, {_name_fields(table)[-1]: name, **sums}])


def _name_fields(table: Table) -> list[str]:
    return [column.field for column in table.columns if column.priority == 0]


def _is_summed(table: Table, field: str) -> bool:
    assert table.totals is not None, "checked by the caller"
    return isinstance(table.totals[field], int) and any(field in row for row in table.rows)


def _sum(values: Iterable[int | None]) -> int:
    return sum(value for value in values if value is not None)


def _with_shares_of_totals(table: Table) -> Table:
    """Return the table with a column `<field>_percent` after parameters and MACs, in percent of the total."""
    if table.totals is None:
        raise UsageError("{percent} needs {depth}: models have no total in common", percent=True, depth=...)
    totals = table.totals
    return replace(
        table,
        columns=with_share_columns(table.columns),
        rows=[with_shares(row, totals) for row in table.rows],
        folded=None if table.folded is None else [with_shares(row, totals) for row in table.folded],
        totals=with_shares(totals, totals),
    )


def with_share_columns(columns: Sequence[Column]) -> tuple[Column, ...]:
    """Return the columns with one of shares after that of parameters and that of MACs."""
    return tuple(new for column in columns for new in (column, *_share_columns(column)))


def _share_columns(column: Column) -> list[Column]:
    if column.field not in _DIVIDED:
        return []
    return [replace(column, field=f"{column.field}_percent", heading="%", kind="float", shortens=False)]


def with_shares(row: Row, totals: Row) -> dict[str, Any]:
    """Return a row with its shares of the totals, in percent."""
    return {**row, **{f"{field}_percent": _percent(row.get(field), totals.get(field)) for field in _DIVIDED}}


def _percent(value: int | None, total: int | None) -> float | None:
    return 100 * value / total if value is not None and total else None


def _selected(table: Table, names: Sequence[str]) -> Table:
    """Return the table with the named columns in their order, after those that name the rows."""
    by_field = {column.field: column for column in table.columns}
    chosen = [choose("columns", name, by_field) for name in names]
    fields = list(dict.fromkeys([*_name_fields(table), *chosen]))
    return replace(table, columns=tuple(replace(by_field[field], priority=place) for place, field in enumerate(fields)))
