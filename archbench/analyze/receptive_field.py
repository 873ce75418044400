"""Receptive fields: the part of the input that one output unit of a layer sees.

A window of k inputs, d apart, moved by s with padding p, on units that see r inputs, lie j inputs apart and of which
the first is centred at c, makes units that see r + d(k - 1)j inputs, lie sj apart, the first centred at
c + (d(k - 1)/2 - p)j. Inputs count from 0. A fully connected layer on a volume is a window as large as the volume.

This holds for a plain chain of layers. A trace does not say which tensor an operator took, so a model counts as a chain
if no operator outside a leaf module joins two tensors, and no layer could have taken an earlier tensor than the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby, takewhile
from math import prod
from typing import Literal

from archbench.trace.costs import find_rule
from archbench.trace.records import Layer, Operation, Storage, TensorInfo, Trace, Window

# Operators, besides elementwise ones, that keep every position in place.
_IN_PLACE = frozenset(f"aten.{name}" for name in ("native_batch_norm", "clone", "index_select", "cat", "copy_"))


@dataclass(frozen=True, slots=True)
class Field:
    """What a unit sees, in inputs, one entry per spatial dimension. `centre` is that of the first unit."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    centre: tuple[Fraction, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A layer's window, with the field of its input units before it and of its output units after it."""

    before: Field
    window: Window
    after: Field


@dataclass(frozen=True, slots=True)
class Gap:
    """The reason and the row at which the fields end; a `join` or `branch` leaves none at all."""

    kind: Literal["join", "branch", "operator"]
    row: str


@dataclass(frozen=True, slots=True)
class ReceptiveFields:
    """A step for each row that has a window, by name, and the gap that ends them, if any."""

    steps: dict[str, Step]
    gap: Gap | None


@dataclass(slots=True)
class _Call:
    """One call of a leaf module, or of an operator outside one."""

    row: str
    layer: Layer
    operations: list[Operation]

    @property
    def first(self) -> Operation:
        return self.operations[0]

    @property
    def is_norm_over_maps(self) -> bool:
        return self.layer.is_torch_module and self.layer.type == "LocalResponseNorm"

    @property
    def taken(self) -> list[TensorInfo]:
        """The data inputs of the first operator."""
        return [info for info, weight in zip(self.first.inputs, self.first.weights, strict=True) if not weight]

    @property
    def is_join(self) -> bool:
        return len(self.layer.inputs) > 1 if self.layer.is_leaf else len(self.taken) > 1


def receptive_fields(trace: Trace) -> ReceptiveFields:
    """Return the receptive field of each row that has a window, as far as the model is a chain."""
    calls = list(_calls(trace))
    join = next((call for call in calls if call.is_join), None)
    if join is not None or len(trace.inputs) != 1 or not calls:
        return ReceptiveFields({}, Gap("join", join.row if join else "."))
    shape = trace.inputs[0].shape
    rank = len(shape) - 2
    if rank < 1:
        return ReceptiveFields({}, None)
    field = Field((1,) * rank, (1,) * rank, (Fraction(0),) * rank)
    steps: dict[str, Step] = {}
    since, sees_all = -1, False
    for last, call in zip([calls[0], *calls], calls, strict=False):
        taken = call.taken[0].shape if call.taken else ()
        if not call.taken or prod(taken) != prod(shape) or _may_branch(trace, last, call, since):
            return ReceptiveFields({}, Gap("branch", call.row))
        # After a mean over all positions only features are left, each of which sees what the mean sees.
        spatial = next((sizes for sizes in (shape, taken) if len(sizes) == rank + 2), ())
        volume = () if sees_all else spatial[-rank:]
        window = _window(call, volume, rank, trace.batch)
        if window is None:
            return ReceptiveFields(steps, Gap("operator", call.row))
        if window.kernel:
            after = _after(field, window)
            steps[call.row] = Step(field, window, after)
            field, since = after, call.first.step
        sees_all = sees_all or any(_is_product(operation) for operation in call.operations)
        shape = call.layer.outputs[0].shape if call.layer.is_leaf else call.operations[-1].outputs[0].shape
    return ReceptiveFields(steps, None)


def _calls(trace: Trace) -> Iterable[_Call]:
    forward = (
        operation
        for operation in trace.operations
        if not (operation.is_backward or operation.is_free or operation.step in trace.generating)
    )

    def place(operation: Operation) -> tuple[int, int]:
        return operation.layer, -1 if trace.layers[operation.layer].is_leaf else operation.step

    for (layer, _), operations in groupby(forward, key=place):
        call = list(operations)
        if any(not all(operation.weights) for operation in call):  # otherwise it computes on weights alone
            yield _Call(trace.row_of(call[0]), trace.layers[layer], call)


def _may_branch(trace: Trace, last: _Call, call: _Call, since: int) -> bool:
    """Return whether a call may have taken another tensor than the output of the last one.

    Within a Sequential it cannot. Elsewhere another tensor of that size must exist from before the last window, and the
    output of the last call must live to the end: without a join, an output that is not consumed is returned.
    """
    parent = _common_parent(trace, last.layer, call.layer)
    if parent.is_torch_module and parent.type == "Sequential":
        return False
    size = call.taken[0].size_bytes
    alike = [
        storage
        for storage in trace.storages
        if storage.size_bytes == size and storage.kind in ("activation", "input") and storage.born < call.first.step
    ]
    end = trace.operations[-1].step

    def lives_until(storage: Storage, step: int) -> bool:
        return storage.died is None or storage.died >= step

    has_rival = any(storage.born < since and lives_until(storage, call.first.step) for storage in alike)
    return has_rival and any(storage.born >= since and lives_until(storage, end) for storage in alike)


def _common_parent(trace: Trace, a: Layer, b: Layer) -> Layer:
    """Return the innermost module that contains both."""
    paths = [layer.path.split(".") for layer in (a, b)]
    shared = takewhile(lambda pair: pair[0] == pair[1], zip(*paths, strict=False))
    path = ".".join(name for name, _ in shared) or "."
    return next(layer for layer in trace.layers if layer.path == path)


def _window(call: _Call, volume: Sequence[int], rank: int, batch: int) -> Window | None:
    """Return the window of a call, an empty one if every position stays in place, None if it is unknown.

    `volume` are the spatial sizes of its input; it is empty after a fully connected layer.
    """
    nowhere = Window((), (), (), None, ())
    if any(_is_product(operation) for operation in call.operations):
        sizes = call.taken[0].shape
        kernel = tuple(volume) or (1,) * rank
        return _slide(kernel, (1,) * rank) if len(sizes) == 2 and sizes[0] == batch else None
    if call.is_norm_over_maps or not volume:
        return nowhere
    if "adaptive" in call.first.name or call.first.name == "aten.mean":
        # torch's global average pooling is a mean, which keeps its dimensions or not.
        out = _resized(call, volume)
        fits = all(size % count == 0 for size, count in zip(volume, out, strict=True))
        kernel = tuple(size // count for size, count in zip(volume, out, strict=True))
        return _slide(kernel, kernel) if fits else None
    sliding = [operation for operation in call.operations if operation.window is not None]
    others = [operation for operation in call.operations if operation.window is None]
    if not all(_stays_in_place(operation) for operation in others):
        return None
    return _shared_window(sliding, call, rank) if sliding else nowhere


def _resized(call: _Call, volume: Sequence[int]) -> tuple[int, ...]:
    """Return the spatial output sizes of adaptive pooling."""
    made, taken = call.first.outputs[0].shape, call.taken[0].shape
    return (1,) * len(volume) if prod(made) * prod(volume) == prod(taken) else made[-len(volume) :]


def _shared_window(sliding: Sequence[Operation], call: _Call, rank: int) -> Window | None:
    """Return the window of parallel operators that each compute some of the maps."""
    windows = {operation.window for operation in sliding}
    made = sum(prod(operation.outputs[0].shape) for operation in sliding)
    outputs = call.layer.outputs if call.layer.is_leaf else call.operations[-1].outputs
    first = sliding[0].window
    assert first is not None, "only sliding operators are passed"
    alike = len({(w.kernel, w.stride, w.padding, w.dilation) for w in windows if w}) == 1
    if not alike or first.output_padding is not None or made != prod(outputs[0].shape):
        return None
    # torch's pooling of one dimension runs in two, of which the first has size one.
    return Window(first.kernel[-rank:], first.stride[-rank:], first.padding[-rank:], None, first.dilation[-rank:])


def _slide(kernel: tuple[int, ...], stride: tuple[int, ...]) -> Window:
    return Window(kernel, stride, (0,) * len(kernel), None, (1,) * len(kernel))


def _is_product(operation: Operation) -> bool:
    return bool(operation.macs) and any(operation.weights) and operation.window is None


def _stays_in_place(operation: Operation) -> bool:
    rule = find_rule(operation.name)
    return operation.name in _IN_PLACE or (rule is not None and rule.is_elementwise)


def _after(field: Field, window: Window) -> Field:
    """Return the field of the output units of `window`."""
    reach = [d * (k - 1) for k, d in zip(window.kernel, window.dilation, strict=True)]
    return Field(
        size=tuple(r + span * j for r, span, j in zip(field.size, reach, field.stride, strict=True)),
        stride=tuple(s * j for s, j in zip(window.stride, field.stride, strict=True)),
        centre=tuple(
            c + (Fraction(span, 2) - p) * j
            for c, span, p, j in zip(field.centre, reach, window.padding, field.stride, strict=True)
        ),
    )
