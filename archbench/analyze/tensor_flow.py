"""Which operators made the tensors that an operator reads.

Tensors are identified by their storages. Views and allocations do not count as makers: reading a view is reading what
was last written to its storage. An in-place operator reads its storage and then becomes its maker.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
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
    makers = Makers(trace)
    flows = {Flow(source, step): None for step, source, _ in makers.operands()}
    flows |= {Flow(source, OUTPUT): None for storage in trace.output_storages for source in makers.of(storage)}
    return list(flows)


class Makers:
    """The operators that made each storage so far, by their steps; negative for inputs of the model, as in `Flow`."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._steps: defaultdict[int, set[int]] = defaultdict(set)
        self._sizes: defaultdict[int, int] = defaultdict(int)
        for i, storage in enumerate(trace.input_storages):
            self._steps[storage].add(-1 - i)

    def of(self, storage: int) -> list[int]:
        """Return the steps that made a storage, in order."""
        return sorted(self._steps[storage])

    def operands(self) -> Iterator[tuple[int, int, TensorInfo]]:
        """Yield the step of each operator of the forward pass, the step that made what it reads, and that tensor."""
        for operation in self._trace.operations:
            if operation.is_backward or operation.step in self._trace.generating:
                continue
            if not operation.is_free:
                for storage, info in _read(operation):
                    yield from ((operation.step, source, info) for source in self.of(storage))
            self._write(operation)

    def _write(self, operation: Operation) -> None:
        """Record who made the storages that an operator wrote to. One of which it wrote a part has several makers."""
        read = set(operation.input_storages)
        for storage, info in _written(operation):
            self._sizes[storage] = max(self._sizes[storage], info.size_bytes)
            if operation.is_free:
                if storage not in read:
                    self._steps[storage] |= {source for other in read for source in self._steps[other]}
            elif operation.name in OVERWRITING and info.size_bytes < self._sizes[storage]:
                self._steps[storage].add(operation.step)
            else:
                self._steps[storage] = {operation.step}


def _read(operation: Operation) -> Iterator[tuple[int, TensorInfo]]:
    """Yield the storages and tensors that an operator reads; one that copies overwrites its first."""
    first = operation.name in OVERWRITING
    yield from zip(operation.input_storages[first:], operation.inputs[first:], strict=True)


def _written(operation: Operation) -> Iterator[tuple[int, TensorInfo]]:
    """Yield the storages of the results and, of an operator in place, that of its first input.

    They differ where a tensor with values is overwritten by one without.
    """
    yield from zip(operation.output_storages, operation.outputs, strict=True)
    if operation.name.endswith("_") and operation.input_storages:
        yield operation.input_storages[0], operation.inputs[0]
