"""Tables for a terminal: as many columns as fit, by priority; only prose wraps."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import IO, Any

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable

from archbench.reporting.export.bars import LEAST_BAR, bars, can_show_bars
from archbench.reporting.export.encoding import as_shown
from archbench.reporting.table import Column, Table
from archbench.units import format_text, printable

_GAP = 2
_LONGEST_NAME = 0.45
_NARROWEST_TEXT = 20
_NARROWEST_CUT = 10
# Integers lose digits where columns up to this priority would not fit otherwise.
_MATTERS_MORE_THAN_DIGITS = 7
_WIDE_ENOUGH_FOR_BARS = 100


@dataclass(frozen=True, slots=True)
class _Page:
    """The width, encoding and abilities of the output."""

    width: int
    encoding: str = "utf-8"
    has_lines: bool = False
    has_styles: bool = False

    @property
    def has_bars(self) -> bool:
        """Whether the output is a terminal that has blocks for bars."""
        return self.has_lines and can_show_bars(self.encoding)

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


def to_text(table: Table, *, stream: IO[str] | None = None, width: int | None = None, has_notes: bool = True) -> str:
    """Return the table as text for `stream`: with lines and styles on a terminal that supports them, otherwise plain.

    The default width is that of the terminal, or of the variable COLUMNS, or 80. Styles are bold and dim, which suit
    every background; NO_COLOR switches them off. Long names lose their beginning, columns that do not fit are counted
    below the table, and columns without a value are left out. Without `has_notes` nothing stands below the table.
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
    _print(table if has_notes else replace(table, notes=(), doubts=()), console, page, has_notes)
    return "".join(f"{line.rstrip()}\n" for line in buffer.getvalue().splitlines())


def _page(stream: IO[str] | None, width: int) -> _Page:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    if stream is None or not stream.isatty():
        return _Page(width, encoding)
    terminal = Console(file=stream)  # knows TERM, NO_COLOR and old Windows consoles
    can_style = not terminal.is_dumb_terminal and not terminal.legacy_windows
    return _Page(width, encoding, not terminal.is_dumb_terminal, can_style and not terminal.no_color)


def _print(table: Table, console: Console, page: _Page, has_notes: bool) -> None:
    filled = [column for column in table.shown() if any(table.text(column, row) for row in _lines(table))]
    shown = [column for column in filled if column.field != table.group]
    space = page.width - _reserved(table, page)
    cells = {column.field: _cells(table, column, page) for column in shown}
    if not _has_room_for_digits(shown, cells, space):
        cells = {column.field: _cells(table, _shortened(column), page) for column in shown}
    columns = _fitting(shown, cells, space, page)
    columns += _bar_column(table, columns, cells, page)
    if table.title:
        console.print(page.shown(format_text(table.title)), style="bold")
    for part in _groups(table, columns, cells, page) if table.group else [_rich_table(table, columns, cells, page)]:
        console.print(part)
    left_out = _left_out(sum(column not in columns for column in shown)) if has_notes else []
    notes = [page.shown(printable(note)) for note in (*table.notes, *left_out)]
    for line in (*_packed(notes, page.width), *(page.shown(printable(doubt)) for doubt in table.doubts)):
        console.print(line, style="dim")


def _reserved(table: Table, page: _Page) -> int:
    """Return the cells that columns cannot have: those of the indentation of groups, and of bars on a wide terminal."""
    has_bars = table.bar and page.has_bars and page.width >= _WIDE_ENOUGH_FOR_BARS
    return (_GAP if table.group else 0) + (_GAP + LEAST_BAR if has_bars else 0)


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


def _packed(notes: Sequence[str], width: int) -> list[str]:
    """Return the notes in few lines, several on one where they fit whole."""
    lines: list[str] = []
    for note in notes:
        if lines and cell_len(f"{lines[-1]} {note}") <= width:
            lines[-1] += f" {note}"
        else:
            lines.append(note)
    return lines


def _bar_column(table: Table, columns: Sequence[Column], cells: dict[str, list[str]], page: _Page) -> list[Column]:
    """Return a column of bars, with its cells added, where a terminal has them and room is left."""
    shown = next((column for column in columns if column.field == table.bar), None)
    left = page.width - sum(max(map(cell_len, cells[column.field])) + _GAP for column in columns)
    if shown is None or not page.has_bars or left < LEAST_BAR:
        return []
    drawn = Column("bar", f"{shown.heading} share")
    totals = [] if table.totals is None else [""]
    cells[drawn.field] = [drawn.heading, *bars(table.shown_rows(), table.bar, left), *totals]
    return [drawn]


def _lines(table: Table) -> list[Mapping[str, Any]]:
    return [*table.shown_rows(), *([] if table.totals is None else [table.totals])]


def _left_out(number: int) -> list[str]:
    """Return a note on the columns that do not fit, if there are any."""
    return [f"+{number} column{'' if number == 1 else 's'} in CSV and JSON."] if number else []


def _cells(table: Table, column: Column, page: _Page) -> list[str]:
    """Return the texts of a column, from its heading to its total."""
    texts = [page.shown(table.text(column, row)) for row in _lines(table)]
    if column.priority == 0:
        texts = [page.without_beginning(text, int(page.width * _LONGEST_NAME)) for text in texts]
    return [page.shown(column.heading), *texts]


def _has_room_for_digits(columns: Sequence[Column], cells: dict[str, list[str]], space: int) -> bool:
    """Return whether the columns that matter more than all digits of integers fit with them."""
    needed = [column for column in columns if (column.priority or 0) <= _MATTERS_MORE_THAN_DIGITS]
    return sum(max(map(cell_len, cells[column.field])) + _GAP for column in needed) - _GAP <= space


def _shortened(column: Column) -> Column:
    return replace(column, kind="count") if column.shortens else column


def _fitting(columns: Sequence[Column], cells: dict[str, list[str]], space: int, page: _Page) -> list[Column]:
    """Return the columns that fit into a width, chosen by priority, in their own order.

    The first two are always shown: if they do not fit, the second is cut, since the first names the rows.
    """
    chosen: list[Column] = []
    used = -_GAP
    for column in sorted(columns, key=lambda column: column.priority or 0):
        longest = max(map(cell_len, cells[column.field]))
        width = min(longest, _NARROWEST_TEXT) if column.wraps else longest
        left = space - used - _GAP
        if width > left:
            if len(chosen) != 1 and not (column.cuts and left >= _NARROWEST_CUT):
                break
            width = left
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
