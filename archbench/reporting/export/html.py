"""Tables as HTML, for notebooks."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from archbench.reporting.table import Column, Table
from archbench.units import format_text, printable


def to_html(table: Table) -> str:
    """Return the columns for readers as one `<table>` element, with the notes as paragraphs."""
    columns = table.shown()
    head = _row(columns, (column.heading for column in columns), "th")
    body = "".join(_row(columns, (table.text(column, row) for column in columns), "td") for row in table.shown_rows())
    foot = ""
    if table.totals is not None:
        totals = table.totals
        foot = f"<tfoot>{_row(columns, (table.text(column, totals) for column in columns), 'th')}</tfoot>"
    notes = "".join(f"<p>{escape(printable(note))}</p>" for note in (*table.notes, *table.doubts, *table.caveats))
    caption = f"<caption>{escape(format_text(table.title))}</caption>" if table.title else ""
    return f"<table>{caption}<thead>{head}</thead><tbody>{body}</tbody>{foot}</table>{notes}"


def _row(columns: Iterable[Column], cells: Iterable[str], tag: str) -> str:
    def cell(column: Column, text: str) -> str:
        side = "right" if column.is_number else "left"
        inner = text.lstrip(" ")
        indent = "&nbsp;" * (len(text) - len(inner))
        return f'<{tag} style="text-align: {side}">{indent}{escape(inner)}</{tag}>'

    return f"<tr>{''.join(cell(column, text) for column, text in zip(columns, cells, strict=True))}</tr>"
