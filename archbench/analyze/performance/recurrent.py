"""The kernels of recurrent layers that are one operator, as cuDNN runs them.

The products of a cell (a layer in one direction) with its inputs are one for all steps. Those with the state depend on
the step before: each step is a product and a kernel for the gates. Layers and directions overlap where a step does not
fill the device (Appleyard, Kociský, Blunsom 2016); small steps are bound by launches, which do not. Kernels that keep
the weights of small cells in registers for all steps are counted alike: a step costs them about as much as a launch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from math import prod

from archbench.analyze.performance.products import Product, is_aligned
from archbench.trace.records import Operation, TensorInfo

_LAUNCHES_PER_STEP = 2
# The matrix of a state that is larger does not stay in the L2 cache (6 MB on an RTX 3090) from step to step.
_CACHE_BYTES = 6 * 2**20


@dataclass(frozen=True, slots=True)
class RecurrentPart:
    """The products of a cell with its inputs, or with its state; fields are those of a kernel."""

    product: Product
    flops: int
    moved: tuple[int, ...]
    weight_bytes: int
    launches: int


@dataclass(frozen=True, slots=True)
class _Sizes:
    """What the cells of an operator have in common: rows are samples of all steps."""

    rows: int
    steps: int
    flops_per_weight: float
    is_backward: bool
    info: TensorInfo

    def bytes_of(self, width: int) -> int:
        """Return the bytes of a tensor with a row of `width` for each sample and step."""
        return self.rows * width * self.info.dtype.itemsize


def is_recurrent(operation: Operation) -> bool:
    """Return whether an operation is that of recurrent layers, or its backward."""
    return operation.name in ("aten._cudnn_rnn", "aten._cudnn_rnn_backward")


def recurrent_parts(operation: Operation) -> Iterator[RecurrentPart]:
    """Yield for each cell the products with its inputs and those with its state."""
    data, *others = operation.inputs
    weights = list(takewhile(lambda info: len(info.shape) < 3, others))
    state = others[len(weights)]
    matrices = [info for info in weights if len(info.shape) == 2]
    rows = prod(data.shape[:-1])
    flops_per_weight = operation.flops / sum(prod(matrix.shape) for matrix in matrices)
    # Without a batch of its own, a packed sequence has at least this many steps.
    steps = -(-rows // state.shape[1])
    sizes = _Sizes(rows, steps, flops_per_weight, operation.is_backward, data)
    per_cell = len(matrices) // state.shape[0]
    for start in range(0, len(matrices), per_cell):
        yield from _cell(matrices[start : start + per_cell], sizes)


def _cell(matrices: Sequence[TensorInfo], sizes: _Sizes) -> Iterator[RecurrentPart]:
    """Yield the parts of a cell, whose matrices meet the input, the state and, with a projection, the units."""
    first, *others = matrices
    (gates, width), state = first.shape, others[0].shape[1]
    flops = [round(sizes.flops_per_weight * sum(prod(each.shape) for each in part)) for part in ([first], others)]
    recurrent_bytes = sum(each.size_bytes for each in others)
    reads = sizes.steps if recurrent_bytes > _CACHE_BYTES else 1
    between, data, out = sizes.bytes_of(gates), sizes.bytes_of(width), sizes.bytes_of(state)
    launches = sizes.steps * _LAUNCHES_PER_STEP
    if not sizes.is_backward:
        yield _part(width, gates, sizes, flops[0], (data, between), first.size_bytes, 1)
        yield _part(state, gates, sizes, flops[1], (between, out), reads * recurrent_bytes, launches)
        return
    # Of the state's products only the half for gradients of data is step by step; the gradients of weights are not.
    stepwise = flops[1] // 2
    batched = flops[0] + flops[1] - stepwise
    yield _part(gates, state, sizes, stepwise, (between, between, out), reads * recurrent_bytes, launches)
    yield _part(gates, width, sizes, batched, (between, between, data, data), 2 * first.size_bytes, 2)


def _part(
    depth: int, columns: int, sizes: _Sizes, flops: int, moved: tuple[int, ...], weight_bytes: int, launches: int
) -> RecurrentPart:
    product = Product("product", depth, columns, is_aligned(depth, columns), sizes.info.dtype)
    return RecurrentPart(product, flops, moved, weight_bytes, launches)
