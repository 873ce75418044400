"""The kernels of a compiled run: what torch.compile leaves of the operators between products.

Products stay library kernels. All other operators that run between two of them become one kernel, which reads what
comes from outside and writes what is used later; what only they exchange stays in registers. An elementwise operator
runs where its result is read: the normalisation of a residual branch joins the addition after the other branch. Tensors
are told apart by their storage. A bias is added where the result is read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from archbench.analyze.performance.kernels import Kernel, MemoryKind, library_kernels
from archbench.analyze.performance.products import is_convolution
from archbench.trace.costs import find_rule
from archbench.trace.records import Operation, Trace

_REDUCTIONS = frozenset(("aten.mean", "aten.sum", "aten._adaptive_avg_pool2d", "aten.amax"))
# Normalisations over more elements than a block of threads holds read their input twice.
_TWICE = frozenset(("aten.native_group_norm",))
_WINDOWS = frozenset(("aten.avg_pool2d", "aten.max_pool2d_with_indices", "aten._adaptive_avg_pool2d", "aten.im2col"))
_DISTANT = frozenset(f"aten.{name}" for name in ("native_group_norm", "linalg_vector_norm", "var", "var_mean"))
# torch's `max_pointwise_cat_inputs`.
_MAX_FUSED_PARTS = 8
_GATES = frozenset(f"aten.{name}" for name in ("hardsigmoid", "hardswish", "mish", "sigmoid", "silu"))


def compiled_kernels(trace: Trace, *, is_gpu: bool) -> Iterator[Kernel]:
    """Yield the kernels of a compiled run, one for each operator, of which the first of a group is launched."""
    operations = _scheduled([op for op in (*trace.operations, *trace.update) if not op.is_free])
    last_read = {number: i for i, op in enumerate(operations) for number in op.input_storages}
    sizes = _sizes(operations)
    group: list[Operation] = []
    for i, operation in enumerate(operations):
        if not operation.macs:
            group.append(operation)
            continue
        yield from _group_kernels(group, operation, last_read, i, sizes)
        group = []
        # Odd widths of groups cost no more than others in compiled runs, as in NCHW.
        yield from library_kernels(operation, "nchw", is_gpu=is_gpu)
    yield from _group_kernels(group, None, last_read, len(operations), sizes)


def _scheduled(operations: Sequence[Operation]) -> list[Operation]:
    """Return operators in the order of generated code: elementwise ones of which a product needs nothing follow it."""
    last_read = {number: i for i, op in enumerate(operations) for number in op.input_storages}
    scheduled: list[Operation] = []
    waiting: list[Operation] = []
    for i, operation in enumerate(operations):
        waiting.append(operation)
        if operation.macs:
            ready, waiting = _divided(waiting, lambda number, i=i: last_read.get(number, -1) > i)  # type: ignore[misc]
            scheduled += ready
    return scheduled + waiting


def _divided(
    waiting: Sequence[Operation], is_read_later: Callable[[int], bool]
) -> tuple[list[Operation], list[Operation]]:
    """Return a product, which is the last, with all that it needs, and the elementwise operators that can follow it."""
    product = waiting[-1]
    needed, awaited = set(product.input_storages), set[int]()
    ready, deferred = [product], list[Operation]()
    for operation in reversed(waiting[:-1]):
        made = operation.output_storages
        is_awaited = any(number in awaited or is_read_later(number) for number in made)
        if is_elementwise(operation) and is_awaited and needed.isdisjoint(made):
            awaited |= set(operation.input_storages)
            deferred.append(operation)
        else:
            needed |= set(operation.input_storages)
            ready.append(operation)
    return ready[::-1], deferred[::-1]


def _sizes(operations: Sequence[Operation]) -> dict[int, int]:
    """Return the bytes of each storage that an operator wrote."""
    sizes: dict[int, int] = defaultdict(int)
    for operation in operations:
        for info, number in zip(operation.outputs, operation.output_storages, strict=True):
            sizes[number] = max(sizes[number], info.size_bytes)
    return sizes


@dataclass(slots=True)
class _Outside:
    """What a group has read so far from outside, by storage, and what it has made."""

    sizes: dict[int, int]
    read: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    made: set[int] = field(default_factory=set)
    views: set[tuple[object, ...]] = field(default_factory=set)

    def reads(self, operation: Operation) -> Iterator[int]:
        """Yield the bytes of each input that is not in registers yet."""
        for place, (info, number) in enumerate(zip(operation.inputs, operation.input_storages, strict=True)):
            view = (number, info.shape, info.strides, place)
            if number in self.made or view in self.views:
                continue
            self.views.add(view)
            size = min(info.size_bytes, self.sizes.get(number, info.size_bytes) - self.read[number])
            if number not in self.sizes and self.read[number]:
                size = 0
            self.read[number] += size
            if size > 0:
                yield size


def _group_kernels(
    group: Sequence[Operation], product: Operation | None, last_read: dict[int, int], end: int, sizes: dict[int, int]
) -> Iterator[Kernel]:
    """Yield the kernel of a group before a product, as one entry for each operator with its share of the traffic."""
    outside, launches = _Outside(sizes), 1
    kind, exchanged = _group_kind(group, product), _exchanged(group)
    for operation in group:
        moved = list(outside.reads(operation))
        for info, number in zip(operation.outputs, operation.output_storages, strict=True):
            if number not in outside.made:
                is_written = last_read.get(number, -1) >= end
                moved += [info.size_bytes] * (is_written or number in exchanged)
                moved += [info.size_bytes] * (number in exchanged)
            outside.made.add(number)
        if operation.name in _TWICE:
            moved.append(operation.inputs[0].size_bytes)
        yield Kernel(operation, None, 0, kind, tuple(moved), launches=launches)
        launches = 0


def _exchanged(group: Sequence[Operation]) -> set[int]:
    """Return the storages that are written and read again within a group.

    These are the inputs of pooling, which reads an element several times, and concatenations of many tensors, or of
    those that an operator other than an elementwise one reads.
    """
    exchanged: set[int] = set()
    concatenated: set[int] = set()
    for operation in group:
        if operation.name in _WINDOWS:
            exchanged.add(operation.input_storages[0])
        if operation.name == "aten.cat":
            (exchanged if len(operation.inputs) > _MAX_FUSED_PARTS else concatenated).add(operation.output_storages[0])
        elif not is_elementwise(operation):
            exchanged |= concatenated & set(operation.input_storages)
    return exchanged


def is_elementwise(operation: Operation) -> bool:
    """Return whether each element of an operation's result depends on one element of each input in inference."""
    rule = find_rule(operation.name)
    return operation.name == "aten.native_batch_norm" or (rule is not None and rule.is_elementwise)


def _group_kind(group: Sequence[Operation], product: Operation | None) -> MemoryKind:
    """Return how a group accesses memory: a reduction beside a costly activation recomputes it."""
    if any(_normalises_distant_elements(operation, product) for operation in group):
        return "group_norm"
    names = {operation.name.removesuffix("_") for operation in group}
    return "reduction" if names & _REDUCTIONS and names & _GATES else "pointwise"


def _normalises_distant_elements(operation: Operation, product: Operation | None) -> bool:
    """Return whether an operation normalises groups, maps, channels between convolutions, or weights."""
    if operation.name == "aten.native_layer_norm":
        is_strided = operation.inputs[0].strides is not None
        return is_strided and product is not None and is_convolution(product)
    is_of_weights = operation.name == "aten.native_batch_norm" and bool(operation.weights[0])
    return is_of_weights or operation.name in _DISTANT
