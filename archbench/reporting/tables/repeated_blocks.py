"""The rows of a layer table as people read them: repeated blocks once, after the sums of all of them."""

from __future__ import annotations

from typing import Any

from archbench.analyze.layers import LayerTable, as_record
from archbench.analyze.repeats import Repeat, listed, repeats, sums

REPEATS = "×n: the sum of n equal blocks; the indented rows are of one of them."
_INDENT = "  "


def folded_rows(table: LayerTable) -> list[dict[str, Any]] | None:
    """Return a record for each line, with the sums of repeated blocks before the rows of one; None if none repeat."""
    items = repeats(table.rows)
    if len(items) == len(table.rows):
        return None
    lines = listed(items, table.rows)
    return [{**line_record(item, table), "name": f"{_INDENT * level}{name}"} for level, name, item in lines]


def line_record(item: int | Repeat, table: LayerTable) -> dict[str, Any]:
    """Return a row of the table, or the type and sums of repeated blocks, by field."""
    if not isinstance(item, Repeat):
        return as_record(table.rows[item])
    record = sums(item, table.rows)
    moved = record["read_bytes"] + record["written_bytes"]
    intensity = record["flops"] / moved if moved else None
    module = table.parents.get(item.path)
    return {"type": module and module.type, **record, "intensity": intensity}
