"""The graph of a model's calls: which call made the tensors that another reads.

Weights, and tensors that do not depend on the model's inputs, are not part of the graph.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from archbench.analyze.tensor_flow import Makers
from archbench.trace.records import Layer, Operation, TensorInfo, Trace

INPUT = -1  # in place of a call: the model's inputs


@dataclass(frozen=True, slots=True)
class Read:
    """A tensor that a call reads, and the index of the call that made it; `INPUT` for an input of the model."""

    source: int
    info: TensorInfo


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a leaf module, or of an operator outside one, with the distinct tensors that it reads."""

    row: str
    layer: Layer
    operations: tuple[Operation, ...]
    reads: tuple[Read, ...]

    @property
    def sources(self) -> tuple[int, ...]:
        """The calls that made the tensors read, each once."""
        return tuple(dict.fromkeys(read.source for read in self.reads))

    @property
    def products(self) -> list[Operation]:
        """The operators that multiply by weights."""
        return [operation for operation in self.operations if operation.macs and any(operation.weights)]


def calls_of(trace: Trace) -> tuple[Call, ...]:
    """Return the calls of the forward pass that compute on data, in order."""
    operands: defaultdict[int, list[tuple[int, TensorInfo]]] = defaultdict(list)
    for step, source, info in Makers(trace).operands():
        operands[step].append((source, info))
    calls: list[Call] = []
    numbers: dict[int, int] = {}  # the call of a step, for those whose results depend on data
    for layer, operations in _groups(trace):
        reads: dict[tuple[int, tuple[int, ...]], Read] = {}
        for operation in operations:
            taken = [
                Read(numbers.get(source, INPUT), info)
                for source, info in operands[operation.step]
                if source < 0 or source in numbers
            ]
            if taken:
                numbers[operation.step] = len(calls)
            reads |= {(read.source, read.info.shape): read for read in taken if read.source != len(calls)}
        computing = tuple(operation for operation in operations if not operation.is_free)
        if reads:
            calls.append(Call(trace.row_of(computing[0]), layer, computing, tuple(reads.values())))
    return tuple(calls)


def _groups(trace: Trace) -> Iterator[tuple[Layer, list[Operation]]]:
    """Yield the operators of each call of a leaf module together, others alone."""

    def place(operation: Operation) -> tuple[int, int]:
        return operation.layer, -1 if trace.layers[operation.layer].is_leaf else operation.step

    forward = (operation for operation in trace.operations if not operation.is_backward)
    for (layer, _), group in groupby(forward, key=place):
        yield trace.layers[layer], list(group)


def dominators(calls: Sequence[Call]) -> tuple[int, ...]:
    """Return for each call the last call before it that every path from the inputs to it passes.

    Where a call joins branches, this is the call whose output they all begin with.
    """
    dominating: list[int] = []
    for call in calls:
        nearest, *others = call.sources
        for other in others:
            while nearest != other:
                # The later of two calls is not on every path: the other's path leads past it.
                nearest, other = (dominating[nearest], other) if nearest > other else (nearest, dominating[other])
        dominating.append(nearest)
    return tuple(dominating)


def between(calls: Sequence[Call], first: int, last: int) -> frozenset[int]:
    """Return the calls that a path from `first`, itself left out, to `last` passes; `first` dominates `last`."""
    passed: set[int] = set()
    waiting = [last]
    while waiting:
        number = waiting.pop()
        if number != first and number not in passed:
            passed.add(number)
            waiting.extend(calls[number].sources)
    return frozenset(passed)


def weight_depth(calls: Iterable[Call]) -> int:
    """Return the number of weight layers on the longest path: 22 in GoogLeNet, which has 58 weight layers."""
    depths: list[int] = []
    for call in calls:
        before = max(0 if source == INPUT else depths[source] for source in call.sources)
        depths.append(before + _own_depth(call))
    return max(depths, default=0)


def _own_depth(call: Call) -> int:
    """Return the number of weight layers in sequence inside a call; a module of torch is at most one layer."""
    depths: dict[int, int] = {}
    for operation in call.operations:
        before = max((depths.get(storage, 0) for storage in operation.input_storages), default=0)
        depth = before + bool(operation.macs and any(operation.weights))
        depths |= dict.fromkeys(operation.output_storages, depth)
    deepest = max(depths.values(), default=0)
    return min(deepest, 1) if call.layer.is_torch_module else deepest
