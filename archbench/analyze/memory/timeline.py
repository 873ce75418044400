"""What occupies memory at each moment of a run, from the lifetimes of its storages.

Counted are parameters, buffers, inputs, gradients, what an optimizer keeps, and all that operators make, each as long
as something refers to it: views share their storage, in-place operators make none, and what the backward pass needs
stays until it was used. Not counted are the rounding of allocators and the workspaces of kernels: see
`archbench.analyze.memory.allocator`.

What operators make is an activation if it is there when another layer runs after the one that made it, and temporary
otherwise: what a layer makes and frees, gradients of activations, what an optimizer makes on its way.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
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
    """What is there while one operator runs; the fields in bytes sum to `total_bytes`. Buffers are with the parameters.

    `layer` is the row of the layer table that the operator belongs to, empty in the update.
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


def peak_bytes(trace: Trace) -> int:
    """Return the peak of the run: of a forward pass, or of a training step, one of many, with its optimizer."""
    return largest_sum(trace.storages)


def largest_sum(storages: Iterable[Storage]) -> int:
    """Return the largest sum of sizes over all steps; a storage is there from `born` to `died`, both included."""
    changes: defaultdict[int, int] = defaultdict(int)
    for storage in storages:
        changes[storage.born] += storage.size_bytes
        if storage.died is not None:
            changes[storage.died + 1] -= storage.size_bytes
    present = peak = 0
    for step in sorted(changes):
        present += changes[step]
        peak = max(peak, present)
    return peak


def peak_moment(trace: Trace) -> Moment:
    """Return the first moment at which most is there."""
    return max(timeline(trace), key=lambda moment: moment.total_bytes)


def timeline(trace: Trace) -> list[Moment]:
    """Return a moment for each operator, in order; one without operator for a run in which none ran."""
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
    """Return step, phase, row and name of every operator."""
    passes: list[tuple[int, Phase, str, str]] = [
        (op.step, "backward" if op.is_backward else "forward", trace.row_of(op), op.name) for op in trace.operations
    ]
    return passes + [(op.step, "update", "", op.name) for op in trace.update]


def _changes(trace: Trace) -> dict[int, Counter[Category]]:
    """Return by how much each category grows or shrinks at each step."""
    ends = dict(_unit_ends(trace))
    changes: defaultdict[int, Counter[Category]] = defaultdict(Counter)
    for storage in trace.storages:
        category = _CATEGORIES.get(storage.kind) or _category_of_made(storage, ends)
        changes[storage.born][category] += storage.size_bytes
        if storage.died is not None:
            changes[storage.died + 1][category] -= storage.size_bytes
    return changes


def _category_of_made(storage: Storage, ends: dict[int, int]) -> Category:
    end = ends.get(storage.born)
    outlives = end is not None and (storage.died is None or storage.died >= end)
    return "activation_bytes" if outlives else "temporary_bytes"


def _unit_ends(trace: Trace) -> Iterator[tuple[int, int]]:
    """Yield for each step of the forward pass the step at which the next layer runs, for the last one the last step.

    Operators that run one after the other in one leaf module are a unit; in a module with children each is one.
    """
    forward = [operation for operation in trace.operations if not operation.is_backward]
    unit: list[Operation] = []
    for operation in forward:
        if unit and (operation.layer != unit[0].layer or not trace.layers[operation.layer].is_leaf):
            yield from ((member.step, operation.step) for member in unit)
            unit = []
        unit.append(operation)
    yield from ((member.step, forward[-1].step) for member in unit)
