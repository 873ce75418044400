"""The chain of feature volumes that a drawing shows, with the sizes they are drawn at.

Layout and rendering are in `archbench.reporting.drawings.volumes`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import prod, sqrt
from typing import Literal

from archbench.analyze.layers import LayerRow
from archbench.trace.records import Operation, Trace
from archbench.units import format_dimensions

Kind = Literal["input", "convolution", "pooling", "dense", "other"]

LARGEST_SIDE = 220.0  # side of the widest or highest feature map
LARGEST_BAR = 140.0  # height of the fully connected layer with most neurons
BAR_THICKNESS = 12.0
THICKEST = 42.0  # thickness of the volume, or tower, with most channels
FEW_MAPS = 16  # as many feature maps are drawn one by one, as in the figures of LeCun et al. (1998)
MAP_DISTANCE = 3.5

# Operators that join two streams of data; a model with one is not a chain.
_JOINS = frozenset(
    ["add", "add_", "baddbmm", "bmm", "cat", "div", "div_", "matmul", "mul", "mul_", "stack", "sub", "sub_"]
)
_NORMALISATIONS = {"LocalResponseNorm": "LRN", "BatchNorm2d": "BN"}


@dataclass(frozen=True, slots=True)
class Box:
    """Sizes on the page: of a volume, or of each of its towers; a bar of neurons has no width."""

    thickness: float
    height: float
    width: float


@dataclass(frozen=True, slots=True)
class Stage:
    """A volume (channels, height, width) or a layer of neurons (their number), without the batch.

    `step` are the lines on the arrow that leads to it, `kernel` the window of that step if it has one. With
    `has_towers` its channels are drawn as two halves; with `sees_all` each half is computed from all channels before.
    `maps` is the number of feature maps where they are few enough to be drawn one by one, otherwise 0. `connections`
    are the maps before that each map is computed from, if not all and the layer states them.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    box: Box
    step: tuple[str, ...] = ()
    kernel: tuple[int, ...] = ()
    has_towers: bool = False
    sees_all: bool = True
    params: int = 0
    macs: int = 0
    maps: int = 0
    connections: tuple[tuple[int, ...], ...] = ()


def volume_chain(rows: Sequence[LayerRow], trace: Trace) -> tuple[Stage, ...] | None:
    """Return the input and every feature volume and layer of neurons after it; None if the model is not a chain.

    A chain takes images, runs each layer on the output of the one before, and has a 2-d convolution or pooling.
    """
    ran = _calls(rows, trace)
    if not _is_chain(ran):
        return None
    drawn = [row for row in ran if _is_stage(row)]
    shapes = [_of_one(ran[0].input_shape), *(_of_one(row.output_shape) for row in drawn)]
    towers = [1, *_towers(drawn)]
    boxes = _boxes(shapes, towers)
    connections = {layer.path: layer.connections for layer in trace.layers}
    stages = [Stage("input", "input", shapes[0], boxes[0])]
    for i, (row, notes) in enumerate(zip(drawn, _normalisations(ran), strict=True), start=1):
        stages.append(
            Stage(
                name=row.type if row.name == "." else row.name.rpartition("/")[2],
                kind=_kind(row),
                shape=shapes[i],
                box=boxes[i],
                step=(*notes, *_step(row)),
                kernel=row.kernel or () if _has_window(row) else (),
                has_towers=towers[i] == 2,
                sees_all=row.groups != 2 and not _keeps_channels(row),
                params=row.params,
                macs=row.macs,
                maps=_maps(shapes[i]) if towers[i] == 1 else 0,
                connections=connections.get(row.name, ()),
            )
        )
    return tuple(stages)


def _maps(shape: tuple[int, ...]) -> int:
    """Return the number of feature maps to draw one by one: of a volume of few maps, of more than one pixel each."""
    return shape[0] if len(shape) == 3 and 1 < shape[0] <= FEW_MAPS and max(shape[1:]) > 1 else 0


def _of_one(shape: tuple[int, ...] | None) -> tuple[int, ...]:
    assert shape is not None, "a chain has shapes throughout"
    return shape[1:]


def _calls(rows: Sequence[LayerRow], trace: Trace) -> list[LayerRow]:
    """Return a row for each call of each layer that computes, in order; none if calls cannot be distinguished."""
    by_name = {row.name: row for row in rows}
    calls: list[LayerRow] = []
    counted: Counter[str] = Counter()
    for name, run in _runs(trace):
        row = by_name[name]
        calls.append(row if row.calls == 1 else _one_call(row, run, is_first=name not in counted))
        counted[name] += 1
    return calls if all(count == by_name[name].calls for name, count in counted.items()) else []


def _runs(trace: Trace) -> Iterator[tuple[str, Sequence[Operation]]]:
    """Yield the consecutive operators of each leaf module call, and each operator outside leaf modules by itself."""
    computed = (
        operation
        for operation in trace.operations
        if not (operation.is_free or operation.is_backward or operation.step in trace.generating)
    )
    for name, group in groupby(computed, key=trace.row_of):
        run = list(group)
        yield from [(name, run)] if trace.runs_in_leaf(run[0]) else ((name, [operation]) for operation in run)


def _one_call(row: LayerRow, operations: Sequence[Operation], *, is_first: bool) -> LayerRow:
    """Return one call's share of a row; the first call has the parameters."""
    first = operations[0]
    data = [info.shape for info, weight in zip(first.inputs, first.weights, strict=True) if not weight]
    outputs = operations[-1].outputs
    window = next((operation.window for operation in operations if operation.window is not None), None)
    return replace(
        row,
        calls=1,
        input_shape=data[0] if data else None,
        output_shape=outputs[0].shape if outputs else None,
        kernel=window.kernel if window else None,
        stride=window.stride if window else None,
        groups=window.groups if window else None,
        params=row.params if is_first else 0,
        macs=sum(operation.macs for operation in operations),
    )


def _is_chain(rows: Sequence[LayerRow]) -> bool:
    shape = rows[0].input_shape if rows else None
    if shape is None or len(shape) != 4:
        return False
    for row in rows:
        if row.type in _JOINS or row.input_shape is None or row.output_shape is None:
            return False
        # Views have no rows: what was flattened has another shape and as many elements.
        if prod(row.input_shape) != prod(shape) or len(row.output_shape) not in (2, 4):
            return False
        if row.output_shape[0] != shape[0]:
            return False  # the batch is no longer in front
        shape = row.output_shape
    return any(_has_window(row) for row in rows)


def _has_window(row: LayerRow) -> bool:
    """Return whether a 2-d window slides; the window of response normalisation has three dimensions."""
    return row.kernel is not None and len(row.kernel) == 2 and len(row.output_shape or ()) == 4


def _keeps_channels(row: LayerRow) -> bool:
    """Return whether each channel is made from one channel, as by pooling."""
    before, after = row.input_shape or (), row.output_shape or ()
    return not row.macs and len(before) == len(after) == 4 and before[1] == after[1]


def _is_stage(row: LayerRow) -> bool:
    return bool(row.macs) or _has_window(row) or prod(row.input_shape or ()) != prod(row.output_shape or ())


def _kind(row: LayerRow) -> Kind:
    if row.macs:
        return "convolution" if _has_window(row) else "dense" if len(row.output_shape or ()) == 2 else "other"
    return "pooling" if prod(row.output_shape or ()) <= prod(row.input_shape or ()) else "other"


def _towers(rows: Sequence[LayerRow]) -> list[int]:
    """Return 2 for each volume whose halves a layer keeps apart, before or after it; pooling keeps them."""
    split = [row.groups == 2 for row in rows]
    for i in range(1, len(rows)):
        split[i] |= split[i - 1] and _keeps_channels(rows[i])
    for i in reversed(range(len(rows) - 1)):
        split[i] |= rows[i + 1].groups == 2 or (split[i + 1] and _keeps_channels(rows[i + 1]))
    return [1 + is_split for is_split in split]


def _normalisations(rows: Sequence[LayerRow]) -> Iterator[tuple[str, ...]]:
    """Yield for each stage the normalisations between the previous stage and it."""
    notes: tuple[str, ...] = ()
    for row in rows:
        if _is_stage(row):
            yield notes
            notes = ()
        elif "Norm" in row.type:
            notes = (*notes, _NORMALISATIONS.get(row.type, "norm"))


def _step(row: LayerRow) -> tuple[str, ...]:
    """Return the lines of text on a layer's arrow: `("max 3x3", "stride 2")`."""
    if not _has_window(row):
        return ("fully", "connected") if row.type == "Linear" else tuple((_word(row) or _words(row.type)).split())
    lines = [f"{_word(row)} {format_dimensions(row.kernel or ())}".strip()]
    if row.stride and set(row.stride) != {1}:
        step = row.stride[:1] if len(set(row.stride)) == 1 else row.stride
        lines.append(f"stride {format_dimensions(step)}")
    if row.groups is not None and row.groups > 2:
        lines.append(f"{row.groups} groups")
    return tuple(lines)


def _word(row: LayerRow) -> str:
    lowered = row.type.lower()
    words = {"max": "max", "avg": "average", "transpose": "transposed"}
    known = next((word for part, word in words.items() if part in lowered), None)
    return known or ("" if row.macs else _words(row.type))


def _words(name: str) -> str:
    """Return the name of a class as words: `bitmap distance` for `BitmapDistance`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def _boxes(shapes: Sequence[tuple[int, ...]], towers: Sequence[int]) -> list[Box]:
    """Return heights and widths in proportion to the sizes, thickness and neurons to their square roots."""
    side = max(max(shape[1:], default=0) for shape in shapes)
    neurons = max((shape[0] for shape in shapes if len(shape) == 1), default=1)
    channels = max(shape[0] / n for shape, n in zip(shapes, towers, strict=True) if len(shape) == 3)

    def box(shape: tuple[int, ...], n: int, *, has_maps: bool) -> Box:
        if len(shape) == 1:
            return Box(BAR_THICKNESS, LARGEST_BAR * sqrt(shape[0] / neurons), 0.0)
        thickness = THICKEST * sqrt(shape[0] / n / channels)
        if has_maps and n == 1 and _maps(shape):
            thickness = max(thickness, MAP_DISTANCE * (shape[0] - 1))
        return Box(thickness, shape[1] * LARGEST_SIDE / side, shape[2] * LARGEST_SIDE / side)

    return [box(shape, n, has_maps=i > 0) for i, (shape, n) in enumerate(zip(shapes, towers, strict=True))]
