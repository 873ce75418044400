"""The lines of a layer table on the page while repeated blocks are shown once."""

from __future__ import annotations

from typing import Any

from archbench.analyze.layers import LayerTable
from archbench.analyze.repeats import Repeat, listed, repeats
from archbench.reporting.page.payload import page_cells
from archbench.reporting.table import Table
from archbench.reporting.tables.module_tree import line_record


def folded_lines(layers: LayerTable, table: Table) -> list[list[Any]]:
    """Return for each line its level, its name there, and a row's position or the cells of a sum; [] if none repeat."""
    items = repeats(layers.rows)
    if len(items) == len(layers.rows):
        return []
    return [
        [level, name, page_cells(table, line_record(item, layers)) if isinstance(item, Repeat) else item]
        for level, name, item in listed(items, layers.rows)
    ]
