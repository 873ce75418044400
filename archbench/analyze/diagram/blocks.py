"""The tree of blocks that a drawing shows: the modules of a model down to a depth, equal siblings merged.

Layout and rendering are in `archbench.reporting.drawings.blocks`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from archbench.analyze.layers import LayerRow
from archbench.trace.records import Layer

_MANY_BLOCKS = 40
_OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Block:
    """A module, or an operator that ran directly in one. Counts are for one of its `repeats` equal siblings.

    `output_shape` has no batch and is None without an output; `children` is empty for a block that is not opened.
    """

    name: str
    type: str
    output_shape: tuple[int, ...] | None
    params: int
    macs: int
    children: tuple[Block, ...] = ()
    repeats: int = 1


def block_tree(rows: Sequence[LayerRow], layers: Sequence[Layer], depth: int | None = None) -> Block:
    """Return the whole model as a block, opened down to `depth`; by default as deep as leaves at most 40 blocks.

    `rows` and `layers` belong to a run on one sample. Equal consecutive siblings are one block with `repeats`.
    """
    modules = {layer.path: layer for layer in layers}
    if depth is not None:
        return _block(".", "", rows, modules, depth)
    tree = _block(".", "", rows, modules, 1)
    for deeper in range(2, max((row.depth for row in rows), default=1) + 1):
        opened = _block(".", "", rows, modules, deeper)
        if num_blocks(opened) > _MANY_BLOCKS:
            break
        tree = opened
    return tree


def num_blocks(block: Block) -> int:
    """Return the number of blocks drawn inside a block."""
    return sum(1 + num_blocks(child) for child in block.children)


def _block(path: str, name: str, rows: Sequence[LayerRow], modules: Mapping[str, Layer], depth: int) -> Block:
    """Return a module's block, with `depth` levels opened inside it."""
    module = modules[path]
    is_leaf = all(row.name == path for row in rows)
    inside = [] if is_leaf or depth == 0 else list(_inside(path, rows, modules, depth - 1))
    # A module that is never called has a shape if its parent multiplies by its parameters.
    shape = module.outputs[0].shape if module.outputs else rows[0].output_shape if is_leaf else None
    return Block(
        name=name or module.type,
        type=module.type,
        output_shape=None if shape is None else _without_batch(shape),
        params=sum(row.params for row in rows),
        macs=sum(row.macs for row in rows),
        children=tuple(_collapsed(inside)),
    )


def _inside(path: str, rows: Sequence[LayerRow], modules: Mapping[str, Layer], depth: int) -> Iterator[Block]:
    children: dict[str, list[LayerRow]] = {}
    for row in rows:
        children.setdefault(_child(path, row.name), []).append(row)
    for child, rows_of_it in children.items():
        if child in modules and child != path:
            yield _block(child, child.rpartition(".")[2], rows_of_it, modules, depth)
        else:
            (row,) = rows_of_it
            shape = None if row.output_shape is None else _without_batch(row.output_shape)
            if child == path:
                yield Block("own parameters", "", shape if row.macs else None, row.params, row.macs)
            else:
                yield Block(row.type, _OPERATOR, shape, row.params, row.macs)


def _without_batch(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without its batch of 1, unless an operator merged that into another dimension."""
    return shape[1:] if shape[:1] == (1,) else shape


def _child(path: str, name: str) -> str:
    """Return the path of the module directly inside `path` that a row belongs to; the row's own name if none."""
    prefix = "" if path == "." else f"{path}."
    if name == path or name.startswith(f"{path}/"):
        return name
    return prefix + name.removeprefix(prefix).partition("/")[0].partition(".")[0]


def _collapsed(blocks: Sequence[Block]) -> Iterator[Block]:
    for _, group in groupby(blocks, key=_without_names):
        equal = list(group)
        first, last = equal[0], equal[-1]
        name = first.name if first.name == last.name else f"{first.name} … {last.name}"
        yield replace(first, name=name, repeats=len(equal))


def _without_names(block: Block) -> tuple[object, ...]:
    """Return the fields that equal siblings share, down to their innermost blocks; an operator's name is its type."""
    inside = tuple(_without_names(child) for child in block.children)
    kind = block.name if block.type == _OPERATOR else block.type
    return kind, block.output_shape, block.params, block.macs, block.repeats, inside
