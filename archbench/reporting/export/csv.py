"""Tables as CSV: every column, raw numbers."""

from __future__ import annotations

import csv
import io

from archbench.reporting.table import Table


def to_csv(table: Table) -> str:
    """Return the table with a header of field names; lines end in a newline."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([column.field for column in table.columns])
    writer.writerows([table.raw(column, row) for column in table.columns] for row in table.rows)
    return buffer.getvalue()
