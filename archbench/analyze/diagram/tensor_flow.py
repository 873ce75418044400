"""Which operators made the tensors that an operator reads.

A tensor is known by its storage. Views and allocations are no makers: a reader of a view reads what was written to the
storage. An operator in place reads the storage and then is its maker.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from archbench.trace.costs import OVERWRITING
from archbench.trace.records import Operation, TensorInfo, Trace

OUTPUT = 0  # a target: steps of operators start at 1


@dataclass(frozen=True, slots=True)
class Flow:
    """A tensor's way from its maker to a reader.

    `target` is the step of the operator that reads it, or `OUTPUT`; `source` that of the operator that made it, or
    -1 for the first of the model's inputs, -2 for the second, and so on.
    """

    source: int
    target: int


def computing(trace: Trace) -> list[Operation]:
    """Return the operators of the forward pass that compute, without those that generate values for another."""
    return [
        operation
        for operation in trace.operations
        if not (operation.is_free or operation.is_backward or operation.step in trace.generating)
    ]


def tensor_flow(trace: Trace) -> list[Flow]:
    """Return each pair of maker and reader once, in the order of the readers; the model's outputs come last.

    Weights, and values that depend on neither inputs nor weights, have no maker.
    """
    makers: defaultdict[int, set[int]] = defaultdict(set)
    sizes: defaultdict[int, int] = defaultdict(int)
    for i, storage in enumerate(trace.input_storages):
        makers[storage].add(-1 - i)
    flows: list[Flow] = []
    for operation in trace.operations:
        if operation.is_backward or operation.step in trace.generating:
            continue
        if not operation.is_free:
            flows += _into(operation.step, makers, _read(operation))
        _write(operation, makers, sizes)
    return [*flows, *_into(OUTPUT, makers, trace.output_storages)]


def _read(operation: Operation) -> Iterable[int]:
    """Return the storages that an operator reads; one that copies overwrites its first."""
    return operation.input_storages[operation.name in OVERWRITING :]


def _into(target: int, makers: Mapping[int, set[int]], storages: Iterable[int]) -> list[Flow]:
    sources = dict.fromkeys(source for storage in storages for source in sorted(makers[storage]))
    return [Flow(source, target) for source in sources if source != target]


def _write(operation: Operation, makers: defaultdict[int, set[int]], sizes: defaultdict[int, int]) -> None:
    """Record who made the storages that an operator wrote to. One of which it wrote a part has several makers."""
    read = set(operation.input_storages)
    for storage, info in _written(operation):
        sizes[storage] = max(sizes[storage], info.size_bytes)
        if operation.is_free:
            if storage not in read:
                makers[storage] |= {source for other in read for source in makers[other]}
        elif operation.name in OVERWRITING and info.size_bytes < sizes[storage]:
            makers[storage].add(operation.step)
        else:
            makers[storage] = {operation.step}


def _written(operation: Operation) -> Iterator[tuple[int, TensorInfo]]:
    """Yield the storages of the results and, of an operator in place, that of its first input.

    They differ where a tensor with values is overwritten by one without.
    """
    yield from zip(operation.output_storages, operation.outputs, strict=True)
    if operation.name.endswith("_") and operation.input_storages:
        yield operation.input_storages[0], operation.inputs[0]
