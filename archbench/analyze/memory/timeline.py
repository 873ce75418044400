"""Memory during a run, operator by operator, from the lifetimes of its storages.

Parameters, buffers, inputs, gradients, optimizer state and everything that operators allocate count for as long as
they are referenced: views share their storage, in-place operators allocate nothing, and tensors saved for backward live
until it has used them. Allocator rounding and kernel workspaces are not included: see
`archbench.analyze.memory.allocator`.

A tensor that an operator allocates is an activation if it is alive when the next layer runs, and temporary otherwise:
buffers that a layer frees itself, gradients of activations, intermediate results of the optimizer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from archbench.trace.records import Operation, Storage, Trace

Phase = Literal["forward", "backward", "update"]
Category = Literal[
    "params_bytes", "gradient_bytes", "optimizer_bytes", "activation_bytes", "temporary_bytes", "input_bytes"
]

_CATEGORIES: dict[str, Category] = {
    "parameter": "params_bytes",
    "buffer": "params_bytes",
    "gradient": "gradient_bytes",
    "optimizer": "optimizer_bytes",
    "input": "input_bytes",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """Memory in use while one operator runs, by category; the categories sum to `total_bytes`.

    `params_bytes` includes buffers. `layer` is the operator's row in the layer table, empty in the optimizer's update.
    """

    step: int
    phase: Phase
    layer: str
    operator: str
    params_bytes: int
    gradient_bytes: int
    optimizer_bytes: int
    activation_bytes: int
    temporary_bytes: int
    input_bytes: int
    total_bytes: int


def peak_moment(trace: Trace) -> Moment:
    """Return the first moment with the most memory in use."""
    return max(timeline(trace), key=lambda moment: moment.total_bytes)


def timeline(trace: Trace) -> list[Moment]:
    """Return one moment per operator, in order; a run without operators has one moment without operator."""
    changes = _changes(trace)
    moments, present, steps = [], Counter[Category](), iter(sorted(changes))
    upcoming = next(steps, None)
    for step, phase, layer, operator in _calls(trace) or [(0, "forward", "", "")]:
        while upcoming is not None and upcoming <= step:
            present.update(changes[upcoming])
            upcoming = next(steps, None)
        sizes = {category: present[category] for category in get_args(Category)}
        moments.append(Moment(step, phase, layer, operator, **sizes, total_bytes=sum(sizes.values())))
    return moments


def _calls(trace: Trace) -> list[tuple[int, Phase, str, str]]:
    """Return step, phase, layer-table row and name of every operator."""
    passes: list[tuple[int, Phase, str, str]] = [
        (op.step, "backward" if op.is_backward else "forward", trace.row_of(op), op.name) for op in trace.operations
    ]
    return passes + [(op.step, "update", "", op.name) for op in trace.update]


def _changes(trace: Trace) -> dict[int, Counter[Category]]:
    """Return the change of each category in bytes, by step."""
    ends = dict(_unit_ends(trace))
    changes: defaultdict[int, Counter[Category]] = defaultdict(Counter)
    for storage in trace.storages:
        category = _CATEGORIES.get(storage.kind) or _category_of_activation(storage, ends)
        changes[storage.born][category] += storage.size_bytes
        if storage.died is not None:
            changes[storage.died + 1][category] -= storage.size_bytes
    return changes


def _category_of_activation(storage: Storage, ends: dict[int, int]) -> Category:
    end = ends.get(storage.born)
    outlives = end is not None and (storage.died is None or storage.died >= end)
    return "activation_bytes" if outlives else "temporary_bytes"


def _unit_ends(trace: Trace) -> Iterator[tuple[int, int]]:
    """Yield each step of the forward pass with the step at which the next layer runs, or the last step.

    Consecutive operators of one leaf module form a unit; in a module with children each operator is one.
    """
    forward = [operation for operation in trace.operations if not operation.is_backward]
    unit: list[Operation] = []
    for operation in forward:
        if unit and (operation.layer != unit[0].layer or not trace.layers[operation.layer].is_leaf):
            yield from ((member.step, operation.step) for member in unit)
            unit = []
        unit.append(operation)
    yield from ((member.step, forward[-1].step) for member in unit)
