"""Tables as GitHub-flavoured Markdown."""

from __future__ import annotations

from archbench.reporting.table import Table
from archbench.units import format_text, printable


def to_markdown(table: Table) -> str:
    """Return the columns for readers, with the totals in bold and the notes as paragraphs."""
    columns = table.shown()
    lines = [[column.heading for column in columns]]
    lines.append(["---:" if column.is_number else "---" for column in columns])
    lines += [[_escape(table.text(column, row)) for column in columns] for row in table.shown_rows()]
    if table.totals is not None:
        totals = [_escape(table.text(column, table.totals)) for column in columns]
        lines.append([f"**{cell}**" if cell else "" for cell in totals])
    body = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    paragraphs = map(printable, (*table.notes, *table.doubts, *table.caveats))
    return (
        "\n\n".join(filter(None, (f"**{format_text(table.title)}**" if table.title else "", body, *paragraphs))) + "\n"
    )


def _escape(text: str) -> str:
    inner = text.lstrip(" ")
    return "&nbsp;" * (len(text) - len(inner)) + inner.replace("|", "\\|")
