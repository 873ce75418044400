"""Assign each operation to its row of the layer table.

An operation in a leaf module stands on the row of the module. An operation that ran directly in a module with children
has a row of the module and the operator, with two exceptions:

- A product with a parameter of that module, or of a module below it that is never called, stands on the row of the
  module that owns the parameter, with its backward operations. `nn.MultiheadAttention` multiplies so by the weight of
  its `out_proj`. A tensor computed from one module's parameters, such as a slice or a cast, counts as the parameter.
- An operation that generates values (computed from neither inputs, parameters nor buffers, like a range or a causal
  mask) without MACs stands on the row of the operator that first reads them, with its bytes and FLOPs. If none reads
  them, it stands on the next row of its module; only if there is none it has a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from archbench.trace.records import Layer, Operation, Row


def assign_rows(
    layers: Sequence[Layer], operations: Sequence[Operation], readers: Mapping[int, int | None]
) -> tuple[dict[int, Row], frozenset[int]]:
    """Return the row of each operation by its step, and the steps of those that generate values for another's row.

    `readers` has for the step of each operation that generates values that of their first reader, None without one.
    """
    rows: dict[int, Row] = {}
    generating: list[Operation] = []
    for operation in operations:
        row = rows[operation.step] = _own_row(layers, operation)
        is_forward = row.operator == operation.name
        if is_forward and operation.step in readers and not (operation.is_free or operation.macs):
            generating.append(operation)
    return rows, frozenset(_move(generating, operations, readers, rows))


def _own_row(layers: Sequence[Layer], operation: Operation) -> Row:
    layer = layers[operation.layer]
    if layer.is_leaf and layer.first_step is not None:
        return Row(operation.layer, None)
    for owner in operation.owners:
        is_uncalled = layers[owner].first_step is None and _is_below(layers[owner], layer)
        if owner == operation.layer or is_uncalled:
            return Row(owner, None)
    return Row(operation.layer, operation.origin)


def _is_below(layer: Layer, other: Layer) -> bool:
    return other.path == "." or layer.path.startswith(f"{other.path}.")


def _move(
    generating: Sequence[Operation],
    operations: Sequence[Operation],
    readers: Mapping[int, int | None],
    rows: dict[int, Row],
) -> Iterator[int]:
    """Move the generating operations to the rows of their readers, and yield their steps."""
    steps = {operation.step for operation in generating}
    following: dict[int, Row] = {}
    for operation in reversed(operations):
        if operation.step in steps:
            reader = readers[operation.step]
            row = rows.get(reader) if reader is not None else following.get(operation.layer)
            if row is not None:
                rows[operation.step] = row
                yield operation.step
        elif not (operation.is_free or operation.is_backward):
            following[operation.layer] = rows[operation.step]
