"""Receptive fields: the part of the input that one output unit of a layer sees.

A window of k inputs, d apart, moved by s with padding p, on units that see r inputs, lie j inputs apart and of which
the first is centred at c, makes units that see r + d(k - 1)j inputs, lie sj apart, the first centred at
c + (d(k - 1)/2 - p)j. Inputs count from 0. A fully connected layer on a volume is a window as large as the volume.

Where branches or a skip are joined, a unit sees from the first input that any of them sees to the last: with equal
centres, what the largest path sees. This is the theoretical field; the gradient concentrates on a smaller part of it,
the effective field (Luo, Li, Urtasun, Zemel: Understanding the Effective Receptive Field in Deep Convolutional Neural
Networks, 2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Literal

from archbench.analyze.dataflow import INPUT, Call, calls_of
from archbench.trace.costs import find_rule
from archbench.trace.records import Operation, TensorInfo, Trace, Window

# Operators, besides elementwise ones, that keep every position in place.
_IN_PLACE = frozenset(f"aten.{name}" for name in ("native_batch_norm", "clone", "index_select", "copy_"))


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
class Join:
    """The fields of the branches that a layer joins, and that of its output units."""

    branches: tuple[Field, ...]
    after: Field


@dataclass(frozen=True, slots=True)
class Gap:
    """The first row without a receptive field, and why: branches that do not match, or an operator without a window.

    `kind` is `"inputs"` if no row has a field, because the model has several inputs or none.
    """

    kind: Literal["inputs", "join", "operator"]
    row: str


@dataclass(frozen=True, slots=True)
class ReceptiveFields:
    """A step for each row that has a window, and a join for each that joins branches, by name; and the first gap."""

    steps: dict[str, Step]
    joins: dict[str, Join]
    gap: Gap | None


@dataclass(frozen=True, slots=True)
class _Units:
    """The field of the units of a tensor of `elements`, and their number along each dimension.

    `volume` is empty once only the feature dimension is left.
    """

    field: Field
    volume: tuple[int, ...]
    elements: int


def receptive_fields(trace: Trace) -> ReceptiveFields:
    """Return the receptive field of each row that has a window or joins branches, as far as they are known.

    A row after one without a field has none; other branches go on.
    """
    recorded = ReceptiveFields({}, {}, None)
    if len(trace.inputs) != 1:
        return ReceptiveFields({}, {}, Gap("inputs", "."))
    rank = len(trace.inputs[0].shape) - 2
    if rank < 1:
        return recorded
    origin = Field((1,) * rank, (1,) * rank, (Fraction(0),) * rank)
    shape = trace.inputs[0].shape
    units: dict[int, _Units | Gap] = {INPUT: _Units(origin, shape[-rank:], prod(shape))}
    for number, call in enumerate(calls_of(trace)):
        units[number] = _units_after(call, units, recorded, trace.batch)
    gaps = (after for after in units.values() if isinstance(after, Gap))
    return ReceptiveFields(recorded.steps, recorded.joins, next(gaps, None))


def _units_after(call: Call, units: dict[int, _Units | Gap], recorded: ReceptiveFields, batch: int) -> _Units | Gap:
    """Return the units of a call's output, or the gap that ends them, and record the call's window or join."""
    before: list[_Units] = []
    for read in call.reads:
        made = units[read.source]
        if isinstance(made, Gap):
            return made
        taken = _taken(read.info, made)
        if taken is None:
            return Gap("operator", call.row)
        before.append(taken)
    volume, field = before[0].volume, before[0].field
    if len(call.sources) > 1:
        if len({(unit.volume, unit.field.stride) for unit in before}) > 1 and any(map(_has_places, before)):
            return Gap("join", call.row)
        field = _joined([unit.field for unit in before])
        recorded.joins[call.row] = Join(tuple(unit.field for unit in before), field)
    window = _window(call, volume, len(field.size), batch)
    if window is None:
        return Gap("operator", call.row)
    if window.kernel:
        after = field_after(field, window)
        recorded.steps[call.row] = Step(field, window, after)
        field = after
    shape = call.operations[-1].outputs[0].shape
    is_product = any(map(_is_product, call.operations))
    return _Units(field, () if is_product else _volume_after(shape, volume, window), prod(shape))


def _has_places(units: _Units) -> bool:
    return prod(units.volume) > 1


def _taken(info: TensorInfo, made: _Units) -> _Units | None:
    """Return the units that a call reads, None if a view has moved them.

    A view may take every s-th position, as a shortcut does that pads with zeros; it is assumed to begin with the first.
    """
    if _is_arranged(info, made):
        return made
    rank = len(made.volume)
    if info.strides is None or len(info.shape) != rank + 2:
        return None
    contiguous = [prod(made.volume[place + 1 :]) for place in range(rank)]
    step = tuple(stride // usual for stride, usual in zip(info.strides[2:], contiguous, strict=True))
    kept = tuple(-(-size // s) if s else 0 for size, s in zip(made.volume, step, strict=True))
    if kept != info.shape[2:]:
        return None
    return _Units(field_after(made.field, _slide((1,) * rank, step)), kept, prod(info.shape))


def _is_arranged(info: TensorInfo, made: _Units) -> bool:
    """Return whether the units of a tensor lie as in the volume that was computed, or that volume is flattened."""
    rank = len(made.volume)
    if len(info.shape) >= rank + 2:  # channels may lie in groups
        return info.shape[len(info.shape) - rank :] == made.volume
    return not rank or (len(info.shape) == 2 and prod(info.shape) == made.elements)


def _volume_after(shape: tuple[int, ...], volume: tuple[int, ...], window: Window) -> tuple[int, ...]:
    """Return the spatial sizes of an output; a mean over all positions may leave features only."""
    if volume and len(shape) >= len(volume) + 2:
        return shape[-len(volume) :]
    return () if window.kernel == volume else volume


def _joined(fields: Sequence[Field]) -> Field:
    """Return the field from the first to the last input that any of the fields has."""
    begins = [_begin(field) for field in fields]
    first = tuple(map(min, zip(*begins, strict=True)))
    last = tuple(
        max(begin[place] + field.size[place] for begin, field in zip(begins, fields, strict=True))
        for place in range(len(first))
    )
    size = tuple(int(z - a) for a, z in zip(first, last, strict=True))
    centre = tuple(a + Fraction(n - 1, 2) for a, n in zip(first, size, strict=True))
    return Field(size, fields[0].stride, centre)


def _begin(field: Field) -> tuple[Fraction, ...]:
    """Return the first input that the first unit sees."""
    return tuple(c - Fraction(n - 1, 2) for c, n in zip(field.centre, field.size, strict=True))


def _window(call: Call, volume: Sequence[int], rank: int, batch: int) -> Window | None:
    """Return the window of a call, an empty one if every position stays in place, None if it is unknown.

    `volume` are the spatial sizes of its input; it is empty after a fully connected layer.
    """
    nowhere, taken = Window((), (), (), None, ()), call.reads[0].info.shape
    if any(_is_product(operation) for operation in call.operations):
        kernel = tuple(volume) or (1,) * rank
        return _slide(kernel, (1,) * rank) if len(taken) == 2 and taken[0] == batch else None
    if not volume or (call.layer.is_torch_module and call.layer.type == "LocalResponseNorm"):
        return nowhere
    if "adaptive" in call.operations[0].name or call.operations[0].name == "aten.mean":
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


def _resized(call: Call, volume: Sequence[int]) -> tuple[int, ...]:
    """Return the spatial output sizes of adaptive pooling."""
    made, taken = call.operations[0].outputs[0].shape, call.reads[0].info.shape
    return (1,) * len(volume) if prod(made) * prod(volume) == prod(taken) else made[-len(volume) :]


def _shared_window(sliding: Sequence[Operation], call: Call, rank: int) -> Window | None:
    """Return the window of parallel operators that each compute some of the maps."""
    windows = {operation.window for operation in sliding}
    made = sum(prod(operation.outputs[0].shape) for operation in sliding)
    first = sliding[0].window
    assert first is not None, "only sliding operators are passed"
    alike = len({(w.kernel, w.stride, w.padding, w.dilation) for w in windows if w}) == 1
    if not alike or first.output_padding is not None or made != prod(call.operations[-1].outputs[0].shape):
        return None
    # torch's pooling of one dimension runs in two, of which the first has size one.
    return Window(first.kernel[-rank:], first.stride[-rank:], first.padding[-rank:], None, first.dilation[-rank:])


def _slide(kernel: tuple[int, ...], stride: tuple[int, ...]) -> Window:
    return Window(kernel, stride, (0,) * len(kernel), None, (1,) * len(kernel))


def _is_product(operation: Operation) -> bool:
    return bool(operation.macs) and any(operation.weights) and operation.window is None


def _stays_in_place(operation: Operation) -> bool:
    rule = find_rule(operation.name)
    if operation.name in ("aten.cat", "aten.constant_pad_nd"):  # of maps, not of positions
        return {info.shape[2:] for info in operation.inputs} == {operation.outputs[0].shape[2:]}
    return operation.name in _IN_PLACE or (rule is not None and rule.is_elementwise)


def field_after(field: Field, window: Window) -> Field:
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
