"""The rows of a layer table as people read them: an indented tree of modules, equal blocks once after their sums.

A module with children is a line without figures, so that the lines with figures sum to the totals: those outside equal
blocks, and of those the line with the sums. A module with a single child shares its line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from archbench.analyze.layers import LayerRow, LayerTable, as_record
from archbench.analyze.repeats import Repeat, child_path, name_inside, repeats, sums

_INDENT = "  "


@dataclass(frozen=True, slots=True)
class _Node:
    """A line: its name inside the module above, its figures or only a type, and the lines below it."""

    label: str
    record: dict[str, Any]
    children: tuple[_Node, ...] = ()
    has_figures: bool = True


def tree_rows(table: LayerTable) -> list[dict[str, Any]] | None:
    """Return a record for each line of the tree; None if these are the table's own rows."""
    nodes = tuple(map(_joined, _nodes(repeats(table.rows), "", table)))
    is_flat = not any(node.children for node in nodes) and not any(map(is_operator, table.rows))
    return None if is_flat else list(_lines(nodes, 0))


def line_record(item: int | Repeat, table: LayerTable) -> dict[str, Any]:
    """Return a row of the table, or the type and sums of repeated blocks, by field."""
    if not isinstance(item, Repeat):
        return as_record(table.rows[item])
    record = sums(item, table.rows)
    moved = record["read_bytes"] + record["written_bytes"]
    intensity = record["flops"] / moved if moved else None
    return {**_type(item.path, table), **record, "intensity": intensity}


def is_operator(row: LayerRow) -> bool:
    """Return whether a row is that of an operator, which is named `<path>/<operator>`."""
    return row.name.endswith(f"/{row.type}")


def _nodes(items: Sequence[int | Repeat], path: str, table: LayerTable) -> Iterator[_Node]:
    """Yield the lines of the items that belong to the module at `path`, from which their names start."""

    def name(item: int | Repeat) -> str:
        return item.path if isinstance(item, Repeat) else table.rows[item].name

    for child, members in groupby(items, key=lambda item: child_path(path, name(item))):
        group = list(members)
        label = name_inside(path, child) if path else child
        if isinstance(group[0], Repeat) and group[0].path == child:
            block = group[0]
            yield _Node(block.name[len(child) - len(label) :], line_record(block, table), _inside(block, table))
        elif all(name(item) == child for item in group):
            yield from (_Node(label, _shown(table, item)) for item in group)
        else:
            yield _Node(label, _type(child, table), tuple(_nodes(group, child, table)), has_figures=False)


def _inside(block: Repeat, table: LayerTable) -> tuple[_Node, ...]:
    return tuple(_nodes(block.items, block.path, table))


def _shown(table: LayerTable, item: int | Repeat) -> dict[str, Any]:
    """Return a row with the type that people read: an operator's name already says which one it is."""
    record = line_record(item, table)
    return {**record, "type": "operator"} if not isinstance(item, Repeat) and is_operator(table.rows[item]) else record


def _type(path: str, table: LayerTable) -> dict[str, Any]:
    module = table.parents.get(path)
    return {"type": module and module.type}


def _joined(node: _Node) -> _Node:
    """Return the line with modules that have a single line below them joined with it, as in `layers.0 … 11 ×12`."""
    children = tuple(map(_joined, node.children))
    if node.has_figures or len(children) != 1:
        return replace(node, children=children)
    inside = children[0].label
    return replace(children[0], label=node.label + (inside[1:] if inside.startswith("./") else f".{inside}"))


def _lines(nodes: Sequence[_Node], level: int) -> Iterator[dict[str, Any]]:
    for node in nodes:
        yield {**node.record, "name": f"{_INDENT * level}{node.label}"}
        yield from _lines(node.children, level + 1)
