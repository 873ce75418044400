"""Experts that are slices of one parameter, as in transformers 5: `gate_up_proj` has the shape experts x out x in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from math import prod

from archbench.analyze.experts.block import Blocks, Mixture, experts_per_token, tokens_into
from archbench.trace.records import Layer, Operation, Parameter

Shape = tuple[int, ...]

_GROUPED = ("_grouped_mm", "_scaled_grouped_mm", "_scaled_grouped_mm_v2")


def stacked_experts(blocks: Blocks) -> Iterator[Mixture]:
    """Yield the layers that hold experts as slices of their parameters."""
    for position, layer in enumerate(blocks.layers):
        stacks: set[Shape] = {parameter.shape for parameter in layer.parameters if len(parameter.shape) == 3}
        if not stacks or not layer.inputs:
            continue
        operations = blocks.operations.get(position, [])
        for experts, rows in _expert_rows(layer, operations, stacks):
            tokens = tokens_into((layer, blocks.caller(layer)), layer.inputs[0].shape[-1])
            width = blocks.chosen(layer, experts)
            chosen = None if width is None else experts_per_token(rows, tokens, experts) or width
            if chosen:
                held = _of_experts(layer.parameters, operations, experts)
                yield Mixture(experts, chosen, sum(parameter.numel for parameter in held))
                break


def _expert_rows(layer: Layer, operations: Sequence[Operation], stacks: set[Shape]) -> Iterator[tuple[int, int]]:
    """Yield the number of experts and the rows that they multiply, for each product in any of four forms."""
    products = [operation for operation in operations if operation.macs and len(operation.inputs) > 1]
    yield from _batched(products, stacks)
    yield from _gathered(operations, products, stacks)
    matrices = {frozenset(parameter.shape) for parameter in layer.parameters if len(parameter.shape) == 2}
    yield from _sliced(products, {frozenset(shape[1:]): shape[0] for shape in stacks}, matrices)


def _batched(products: Sequence[Operation], stacks: set[Shape]) -> Iterator[tuple[int, int]]:
    """Yield grouped products, and batches in which each expert multiplies as many rows."""
    for operation in products:
        first, second = (info.shape for info in operation.inputs[:2])
        if len(second) == 3 and {second, (second[0], second[2], second[1])} & stacks:
            if len(first) == 2 and operation.name.removeprefix("aten.") in _GROUPED:
                yield second[0], first[0]
            elif len(first) == 3 and operation.weights[1]:
                yield second[0], first[0] * first[1]


def _gathered(
    operations: Sequence[Operation], products: Sequence[Operation], stacks: set[Shape]
) -> Iterator[tuple[int, int]]:
    """Yield experts whose slices are looked up for each row, which they multiply in a batch of products."""
    used = {frozenset(info.shape[1:]) for operation in products for info in operation.inputs if len(info.shape) == 3}
    for operation in operations:
        if operation.name in ("aten.index", "aten.index_select") and operation.inputs[0].shape in stacks:
            rows, *matrix = operation.outputs[0].shape
            if len(matrix) == 2 and frozenset(matrix) in used:
                yield operation.inputs[0].shape[0], rows


def _sliced(
    products: Sequence[Operation], experts: dict[frozenset[int], int], matrices: set[frozenset[int]]
) -> Iterator[tuple[int, int]]:
    """Yield experts that run one after the other, each with its slice and the rows that were routed to it.

    `experts` has their number by the sizes of a slice; `matrices` are the sizes of the layer's other weights.
    """
    rows: defaultdict[tuple[int, frozenset[int]], int] = defaultdict(int)
    for operation in products:
        data = [info for info, weight in zip(operation.inputs, operation.weights, strict=True) if not weight]
        for info, weight in zip(operation.inputs, operation.weights, strict=True):
            sizes = frozenset(info.shape)
            if weight and data and len(info.shape) == 2 and sizes in experts and sizes not in matrices:
                rows[weight, sizes] += prod(data[0].shape[:-1])
    yield from ((experts[sizes], total) for (_, sizes), total in rows.items())


def _of_experts(parameters: Iterable[Parameter], operations: Sequence[Operation], experts: int) -> list[Parameter]:
    """Return the parameters with a slice for each expert, biases included; a router's matrix is none of them."""
    factors = {
        info.shape
        for operation in operations
        if operation.macs
        for info, weight in zip(operation.inputs, operation.weights, strict=True)
        if weight
    }
    return [
        parameter
        for parameter in parameters
        if parameter.shape[:1] == (experts,)
        and (len(parameter.shape) == 3 or not {parameter.shape, parameter.shape[::-1]} & factors)
    ]
