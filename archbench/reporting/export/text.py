"""Tables for a terminal: as many columns as fit, by priority; only prose wraps."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import IO

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable

from archbench.reporting.export.encoding import as_shown
from archbench.reporting.table import Column, Table
from archbench.units import format_text, printable

_GAP = 2
_LONGEST_NAME = 0.45
_NARROWEST_TEXT = 20


@dataclass(frozen=True, slots=True)
class _Page:
    """The width, encoding and abilities of the output."""

    width: int
    encoding: str = "utf-8"
    has_lines: bool = False
    has_styles: bool = False

    def shown(self, text: str) -> str:
        """Return a text with fallbacks for the encoding; measure its width afterwards, since some are longer."""
        return as_shown(text, self.encoding)

    def without_end(self, text: str, longest: int) -> str:
        """Return a text shortened at its end."""
        dots = self.shown("…")
        return text if cell_len(text) <= longest else set_cell_size(text, max(longest - len(dots), 0)).rstrip() + dots

    def without_beginning(self, text: str, longest: int) -> str:
        """Return a text shortened at its beginning, after its indentation: the end of a dotted path tells more."""
        if cell_len(text) <= longest:
            return text
        start = " " * (len(text) - len(text.lstrip(" "))) + self.shown("…")
        return start + text[len(text) - max(longest - len(start), 0) :]


def to_text(table: Table, *, stream: IO[str] | None = None, width: int | None = None) -> str:
    """Return the table as text for `stream`: with lines and styles on a terminal that supports them, otherwise plain.

    The default width is that of the terminal, or of the variable COLUMNS, or 80. Styles are bold and dim, which suit
    every background; NO_COLOR switches them off. Long names lose their beginning, columns that do not fit are listed
    below the table, and columns without a value are left out.
    """
    page = _page(stream, width or shutil.get_terminal_size((80, 24)).columns)
    buffer = io.StringIO()
    console = Console(
        file=buffer,
        width=page.width,
        force_terminal=page.has_styles,
        no_color=True,
        highlight=False,
        emoji=False,
        markup=False,
    )
    _print(table, console, page)
    return "".join(f"{line.rstrip()}\n" for line in buffer.getvalue().splitlines())


def _page(stream: IO[str] | None, width: int) -> _Page:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    if stream is None or not stream.isatty():
        return _Page(width, encoding)
    terminal = Console(file=stream)  # knows TERM, NO_COLOR and old Windows consoles
    can_style = not terminal.is_dumb_terminal and not terminal.legacy_windows
    return _Page(width, encoding, not terminal.is_dumb_terminal, can_style and not terminal.no_color)


def _print(table: Table, console: Console, page: _Page) -> None:
    filled = [column for column in table.shown() if any(table.text(column, row) for row in table.shown_rows())]
    shown = [column for column in filled if column.field != table.group]
    cells = {column.field: _cells(table, column, page) for column in shown}
    columns = _fitting(shown, cells, page.width - (_GAP if table.group else 0), page)
    if table.title:
        console.print(page.shown(format_text(table.title)), style="bold")
    for part in _groups(table, columns, cells, page) if table.group else [_rich_table(table, columns, cells, page)]:
        console.print(part)
    for note in (*_left_out(table, [column for column in shown if column not in columns], page), *table.notes):
        console.print(page.shown(printable(note)), style="dim")


def _groups(
    table: Table, columns: Sequence[Column], cells: dict[str, list[str]], page: _Page
) -> Iterator[Padding | str]:
    """Yield the headings of the columns, then each group: what its rows share, and the rows indented below it."""
    indent = (0, 0, 0, _GAP)
    yield Padding(_rich_table(table, columns, cells, page, range(0)), indent)
    start = 0
    for heading, rows in groupby(table.shown_rows(), key=lambda row: row[table.group]):
        end = start + len(list(rows))
        yield page.shown(format_text(heading))
        yield Padding(_rich_table(table, columns, cells, page, range(start, end)), indent)
        start = end


def _left_out(table: Table, hidden: Sequence[Column], page: _Page) -> list[str]:
    """Return a note on the columns that do not fit and on the formats that have all columns and rows, if any lack."""
    names = ", ".join(column.heading for column in hidden)
    sentences = [f"Not shown in {page.width} columns: {names}."] if hidden else []
    every = [*(["column"] if hidden else []), *(["row"] if table.folded is not None else [])]
    return [" ".join([*sentences, f"CSV and JSON have every {' and '.join(every)}."])] if every else []


def _cells(table: Table, column: Column, page: _Page) -> list[str]:
    """Return the texts of a column, from its heading to its total."""
    texts = [page.shown(table.text(column, row)) for row in table.shown_rows()]
    if column.priority == 0:
        texts = [page.without_beginning(text, int(page.width * _LONGEST_NAME)) for text in texts]
    totals = [] if table.totals is None else [page.shown(table.text(column, table.totals))]
    return [page.shown(column.heading), *texts, *totals]


def _fitting(columns: Sequence[Column], cells: dict[str, list[str]], space: int, page: _Page) -> list[Column]:
    """Return the columns that fit into a width, chosen by priority, in their own order.

    The first two are always shown: if they do not fit, the second is cut, since the first names the rows.
    """
    chosen: list[Column] = []
    used = -_GAP
    for column in sorted(columns, key=lambda column: column.priority or 0):
        longest = max(map(cell_len, cells[column.field]))
        width = min(longest, _NARROWEST_TEXT) if column.wraps else longest
        if used + _GAP + width > space:
            if len(chosen) != 1:
                break
            width = space - used - _GAP
            if not column.wraps:
                cells[column.field] = [page.without_end(text, width) for text in cells[column.field]]
        used += _GAP + width
        chosen.append(column)
    return [column for column in columns if column in chosen]


def _rich_table(
    table: Table,
    columns: Sequence[Column],
    cells: dict[str, list[str]],
    page: _Page,
    rows: range | None = None,
) -> RichTable:
    """Return the table, or of one with groups the rows of a range: the columns' headings if it is empty."""
    # Lines are drawn on terminals only; piped output stays plain text.
    rendered = RichTable(
        box=box.SIMPLE if page.has_lines else None,
        safe_box=False,
        show_edge=False,
        show_header=not rows,
        show_footer=table.totals is not None,
        pad_edge=False,
        padding=(0, _GAP - 1 if page.has_lines else _GAP, 0, 0),
    )
    totals = table.totals is not None
    for column in columns:
        rendered.add_column(
            cells[column.field][0],
            cells[column.field][-1] if totals else "",
            justify="right" if column.is_number else "left",
            no_wrap=not column.wraps,
            min_width=None if column.wraps else max(map(cell_len, cells[column.field])),
        )
    every = list(zip(*(cells[column.field][1 : -1 if totals else None] for column in columns), strict=True))
    for row in every if rows is None else every[rows.start : rows.stop]:
        rendered.add_row(*row)
    return rendered
