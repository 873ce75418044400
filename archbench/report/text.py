"""Tables for a terminal: as many columns as fit, by priority; nothing wraps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable

from archbench.report.table import Column, Table

_GAP = 2
_LONGEST_NAME = 0.5


def print_table(table: Table, *, file: IO[str], width: int | None = None) -> None:
    """Print the table to `file`: in the terminal's width, or `width`, or 80 columns where there is no terminal.

    Long names lose their beginning, columns that do not fit are named below the table.
    """
    console = Console(file=file, width=width, highlight=False, emoji=False, markup=False)
    with console.capture() as capture:
        _print(table, console)
    file.writelines(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def _print(table: Table, console: Console) -> None:
    cells = {column.field: _cells(table, column, console.width) for column in table.shown()}
    columns = _fitting(table.shown(), cells, console.width)
    if table.title:
        console.print(table.title, style="bold")
    console.print(_rich_table(table, columns, cells, console))
    hidden = ", ".join(column.heading for column in table.shown() if column not in columns)
    if hidden:
        console.print(f"Not shown in {console.width} columns: {hidden}. CSV and JSON have every column.", style="dim")
    for note in table.notes:
        console.print(note, style="dim")


def _cells(table: Table, column: Column, width: int) -> list[str]:
    """Return a column's texts from heading to totals."""
    longest = int(width * _LONGEST_NAME) if column.priority == 0 else width
    texts = [_shorten(table.text(column, row), longest) for row in table.rows]
    totals = [] if table.totals is None else [table.text(column, table.totals)]
    return [column.heading, *texts, *totals]


def _shorten(text: str, longest: int) -> str:
    """Cut the beginning off: the end of a dotted path says more."""
    return text if cell_len(text) <= longest else "…" + text[-(longest - 1) :]


def _fitting(columns: Sequence[Column], cells: dict[str, list[str]], width: int) -> list[Column]:
    """Return the columns that fit, by priority, in their own order; the first two are always shown."""
    chosen: list[Column] = []
    used = -_GAP
    for column in sorted(columns, key=lambda column: column.priority or 0):
        used += _GAP + max(map(cell_len, cells[column.field]))
        if used > width and len(chosen) > 1:
            break
        chosen.append(column)
    return [column for column in columns if column in chosen]


def _rich_table(table: Table, columns: Sequence[Column], cells: dict[str, list[str]], console: Console) -> RichTable:
    # Lines are drawn only where a person looks; what is piped stays plain text.
    lines = console.is_terminal
    rendered = RichTable(
        box=box.SIMPLE_HEAD if lines else None,
        show_edge=False,
        show_footer=table.totals is not None,
        pad_edge=False,
        padding=(0, _GAP - 1 if lines else _GAP, 0, 0),
    )
    totals = table.totals is not None
    for column in columns:
        rendered.add_column(
            column.heading,
            cells[column.field][-1] if totals else "",
            justify="right" if column.is_number else "left",
            no_wrap=True,
        )
    for row in zip(*(cells[column.field][1 : -1 if totals else None] for column in columns), strict=True):
        rendered.add_row(*row)
    return rendered
