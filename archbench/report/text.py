"""Tables for a terminal: as many columns as fit, by priority; nothing wraps."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from typing import IO

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable

from archbench.report.table import Column, Table

_GAP = 2
_LONGEST_NAME = 0.45
_NARROWEST_TEXT = 20


def to_text(table: Table, *, stream: IO[str] | None = None, width: int | None = None) -> str:
    """Return the table as `stream` can show it: with styles on a terminal, else plain.

    It is as wide as the terminal (80 columns where there is none, or the variable COLUMNS), or `width`. Long names lose
    their beginning, columns that do not fit are named below the table, columns without any value are left out.
    """
    is_terminal = stream is not None and stream.isatty()
    if width is None:
        width = shutil.get_terminal_size((80, 24)).columns
    buffer = io.StringIO()
    console = Console(file=buffer, width=width, force_terminal=is_terminal, highlight=False, emoji=False, markup=False)
    _print(table, console)
    return "".join(f"{line.rstrip()}\n" for line in buffer.getvalue().splitlines())


def _print(table: Table, console: Console) -> None:
    shown = [column for column in table.shown() if any(table.text(column, row) for row in table.rows)]
    cells = {column.field: _cells(table, column, console.width) for column in shown}
    columns = _fitting(shown, cells, console.width)
    if table.title:
        console.print(table.title, style="bold")
    console.print(_rich_table(table, columns, cells, console))
    hidden = ", ".join(column.heading for column in shown if column not in columns)
    if hidden:
        console.print(f"Not shown in {console.width} columns: {hidden}. CSV and JSON have every column.", style="dim")
    for note in table.notes:
        console.print(note, style="dim")


def _cells(table: Table, column: Column, width: int) -> list[str]:
    """Return a column's texts from heading to totals."""
    texts = [table.text(column, row) for row in table.rows]
    if column.priority == 0:
        texts = [_shorten(text, int(width * _LONGEST_NAME)) for text in texts]
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
        longest = max(map(cell_len, cells[column.field]))
        used += _GAP + (min(longest, _NARROWEST_TEXT) if column.wraps else longest)
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
            no_wrap=not column.wraps,
        )
    for row in zip(*(cells[column.field][1 : -1 if totals else None] for column in columns), strict=True):
        rendered.add_row(*row)
    return rendered
