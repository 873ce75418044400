"""Fold the layer table at a depth: the rows below it become one row per module, so that rows still sum to totals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from archbench.analyze.layers import LayerRow, LayerTable
from archbench.analyze.parent_modules import ParentModule
from archbench.analyze.repeats import SUMMED
from archbench.errors import UsageError

_WINDOW: dict[str, Any] = dict.fromkeys(("kernel", "stride", "padding", "groups"))


def to_depth(table: LayerTable, depth: int) -> LayerTable:
    """Return the table with all rows below `depth` folded into their module at that depth; 0 is the whole model.

    A folded row has the shapes and calls of the module and the sums of its rows; its output bytes are the sum over
    the layers inside. It stands where the module's first row stood. Raises UsageError for a negative depth.
    """
    if depth < 0:
        raise UsageError("{depth} is not a valid depth; give a whole number from 0", depth=depth)
    groups: dict[str, list[LayerRow]] = {}
    for row in table.rows:
        groups.setdefault(_folded_name(row, depth), []).append(row)
    rows = [_folded(name, depth, group, table.parents.get(name)) for name, group in groups.items()]
    return replace(table, rows=tuple(replace(row, index=index) for index, row in enumerate(rows)))


def _folded_name(row: LayerRow, depth: int) -> str:
    """Return the path of the module at `depth` that a row is folded into, or the row's own name."""
    if row.depth <= depth:
        return row.name
    if depth == 0:
        return "."
    # An operator's depth is one more than that of the module it ran in, whose path precedes the last slash.
    path = row.name if len(row.name.split(".")) == row.depth else row.name.rpartition("/")[0]
    return ".".join(path.split(".")[:depth])


def _folded(name: str, depth: int, rows: Sequence[LayerRow], module: ParentModule | None) -> LayerRow:
    """Return the row of a module; a table that was read from a file does not know its type, calls and shapes."""
    if [row.name for row in rows] == [name]:
        return rows[0]
    sums: dict[str, Any] = {field: _sum([getattr(row, field) for row in rows]) for field in SUMMED}
    moved = sum(row.read_bytes + row.written_bytes for row in rows)
    known = module or ParentModule("", max(row.calls for row in rows), None, None)
    return replace(
        rows[0],
        name=name,
        depth=depth,
        type=known.type,
        calls=known.calls,
        input_shape=known.input_shape,
        output_shape=known.output_shape,
        intensity=sum(row.flops for row in rows) / moved if moved else None,
        **_WINDOW,
        **sums,
    )


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
