"""Find repeated blocks: consecutive sibling modules, numbered one after the other, with equal rows in the layer table.

A block has at least two rows, so that equal layers of a chain stay rows of their own. Rows are equal if all fields but
the index are, and their names inside the block. Outer blocks are found before inner ones.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any

from archbench.analyze.layers import LayerRow

_COMPARED = tuple(field.name for field in fields(LayerRow) if field.name not in ("index", "name"))
# The fields of a row that add up over rows.
SUMMED = (
    "params", "trainable_params", "neurons", "macs", "flops", "param_bytes", "output_bytes", "read_bytes",
    "written_bytes", "backward_macs", "backward_flops",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Repeat:
    """Equal blocks, the first of which is the module at `path`; `name` is as `model.layers.0 … 31 ×32`.

    `rows` are the positions of the first block's rows. `items` are the same, with blocks that repeat inside it as one.
    """

    path: str
    name: str
    times: int
    rows: range
    items: tuple[int | Repeat, ...]


@dataclass(frozen=True, slots=True)
class _Block:
    """Consecutive rows of one module directly below a path, or a single row there (an operator, a leaf)."""

    path: str
    rows: range
    is_opened: bool
    content: Sequence[Any]


def repeats(rows: Sequence[LayerRow], values: Sequence[Any] = ()) -> tuple[int | Repeat, ...]:
    """Return the positions of the rows in order, with those of repeated blocks in a `Repeat` that has the first's.

    `values`, if given, are one for each row and are compared as well.
    """
    fields_of = [tuple(getattr(row, name) for name in _COMPARED) for row in rows]
    compared = list(zip(fields_of, values, strict=True)) if values else fields_of
    return tuple(_items(range(len(rows)), "", [row.name for row in rows], compared))


def listed(items: Sequence[int | Repeat], rows: Sequence[LayerRow]) -> list[tuple[int, str, int | Repeat]]:
    """Return a line for each item: its level, its name inside the block above it, and the item.

    A repeat is a line of its own, followed by the items of its first block one level below.
    """
    return list(_listed(items, rows, 0, None))


def sums(repeat: Repeat, rows: Sequence[LayerRow]) -> dict[str, int]:
    """Return by field the sums over the rows of all blocks; fields without a value are left out."""
    block = [rows[position] for position in repeat.rows]
    known = [name for name in SUMMED if getattr(block[0], name) is not None]
    return {name: repeat.times * sum(getattr(row, name) for row in block) for name in known}


def name_inside(path: str, name: str) -> str:
    """Return a row's name as it is in the table of the module at `path`, whose own row is `.`."""
    inside = name.removeprefix(path)
    return inside.removeprefix(".") if inside.startswith(".") else f".{inside}"


def _listed(
    items: Sequence[int | Repeat], rows: Sequence[LayerRow], level: int, path: str | None
) -> Iterator[tuple[int, str, int | Repeat]]:
    for item in items:
        name = item.name if isinstance(item, Repeat) else rows[item].name
        yield level, name if path is None else name_inside(path, name), item
        if isinstance(item, Repeat):
            yield from _listed(item.items, rows, level + 1, item.path)


def _items(rows: range, path: str, names: Sequence[str], compared: Sequence[Any]) -> Iterator[int | Repeat]:
    """Yield the items of consecutive rows that all belong to the module at `path`."""
    blocks = list(_blocks(rows, path, names, compared))
    segments = Counter(block.path for block in blocks)
    while blocks:
        first = blocks[0]
        times = _num_equal(blocks) if first.is_opened else 1
        if any(segments[block.path] > 1 for block in blocks[:times]):
            times = 1  # rows of other modules stand between those of a block
        items = _items(first.rows, first.path, names, compared) if first.is_opened else iter(first.rows)
        if times > 1:
            last = blocks[times - 1].path.removeprefix(_numbered(first.path)[0])
            yield Repeat(first.path, f"{first.path} … {last} ×{times}", times, first.rows, tuple(items))
        else:
            yield from items
        del blocks[:times]


def _blocks(rows: range, path: str, names: Sequence[str], compared: Sequence[Any]) -> Iterator[_Block]:
    for child, group in groupby(rows, key=lambda position: child_path(path, names[position])):
        block = list(group)
        content = [(name_inside(child, names[row]), compared[row]) for row in block]
        is_opened = len(block) > 1 and any(names[row] != child for row in block)
        yield _Block(child, range(block[0], block[-1] + 1), is_opened, content)


def child_path(path: str, name: str) -> str:
    """Return the path of the module directly inside `path` that a row belongs to; the row's own name if none."""
    inside = re.match(r"\.?[^./]+", name[len(path) :])
    return path + inside[0] if inside else name


def _num_equal(blocks: Sequence[_Block]) -> int:
    """Return how many blocks from the first on are equal and numbered one after the other."""
    stem, start = _numbered(blocks[0].path)
    times = 1
    while (
        start is not None
        and times < len(blocks)
        and _numbered(blocks[times].path) == (stem, start + times)
        and blocks[times].content == blocks[0].content
    ):
        times += 1
    return times


def _numbered(path: str) -> tuple[str, int | None]:
    match = re.fullmatch(r"(.*?)(\d{1,9})", path)
    return (match[1], int(match[2])) if match else (path, None)
