"""Measured times per layer: each layer's share of the step, its rates, and the roofline's time beside it.

FLOPs and bytes are those of the trace, all passes together, so a rate refers to the layer as it was counted. Rows have
the names of the layer table and sum to the step's time; the last row is the time that no operator accounts for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from archbench.analyze.layers import layer_table
from archbench.analyze.performance.estimate import RooflineRow, roofline_rows
from archbench.analyze.performance.roofline import Bound, Conditions
from archbench.trace.records import Operation, Trace

GAPS = "gaps"


@dataclass(frozen=True, slots=True)
class PassTimes:
    """Seconds in the forward and in the backward pass."""

    forward_s: float
    backward_s: float

    @property
    def time_s(self) -> float:
        """Seconds in both passes."""
        return self.forward_s + self.backward_s


@dataclass(frozen=True, slots=True)
class Times:
    """The times of a step: end to end, by row, in the update, and outside all modules."""

    step_s: float
    rows: Mapping[str, PassTimes]
    update_s: float
    outside: PassTimes


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """One row of a profile. `time_s` sums to the step's time over all rows; the gaps may be negative.

    `index` and `calls` are those of the layer table, None for the loss, the update, the gaps, and operators that ran in
    place of counted ones. Unknown figures are None: FLOPs and bytes of uncounted operators, the separate passes outside
    training, and the roofline's figures without a device's ceilings. `ratio` is measured over predicted time.
    """

    index: int | None
    name: str
    type: str
    calls: int | None
    time_s: float
    share: float
    forward_s: float | None = None
    backward_s: float | None = None
    flops: int | None = None
    moved_bytes: int | None = None
    flop_per_s: float | None = None
    bytes_per_s: float | None = None
    intensity: float | None = None
    bound: Bound | None = None
    predicted_s: float | None = None
    ratio: float | None = None


@dataclass(frozen=True, slots=True)
class _RowSource:
    """What a row describes; `operations` is None where nothing was counted."""

    name: str
    type: str
    index: int | None = None
    calls: int | None = None
    operations: Sequence[Operation] | None = None
    roofline: RooflineRow | None = None


def profile_rows(times: Times, trace: Trace, conditions: Conditions | None) -> list[ProfileRow]:
    """Return a row for each layer that ran operators, in the layer table's order, then other rows, the gaps last.

    Other rows are operators that the layer table lacks and, in training, the loss (both passes) and the update.
    """
    is_training = trace.mode == "train"
    layers = [layer for layer in _layers(trace, conditions) if layer.operations or layer.name in times.rows]
    known = {layer.name for layer in layers}
    unlisted = [_RowSource(name, name.rpartition("/")[2]) for name in times.rows if name not in known]
    nothing = PassTimes(0.0, 0.0)
    sources = (*layers, *unlisted)
    rows = [_row(source, times.rows.get(source.name, nothing), times.step_s, is_training) for source in sources]
    if is_training:
        rows.append(_row(_RowSource("loss", "no layer"), times.outside, times.step_s, True))
        rows.append(_row(_update(trace, conditions), PassTimes(times.update_s, 0.0), times.step_s, False))
    gaps_s = times.step_s - fsum(row.time_s for row in rows)
    return [*rows, _row(_RowSource(GAPS, "no operator"), PassTimes(gaps_s, 0.0), times.step_s, False)]


def _layers(trace: Trace, conditions: Conditions | None) -> Iterator[_RowSource]:
    table = layer_table(trace).rows
    roofline = dict.fromkeys(range(len(table))) if conditions is None else dict(_roofline(trace, conditions))
    operations: defaultdict[str, list[Operation]] = defaultdict(list)
    for operation in trace.operations:
        operations[trace.row_of(operation)].append(operation)
    for row in table:
        yield _RowSource(row.name, row.type, row.index, row.calls, operations[row.name], roofline[row.index])


def _roofline(trace: Trace, conditions: Conditions) -> Iterator[tuple[int, RooflineRow]]:
    return ((row.index, row) for row in roofline_rows(trace, conditions))


def _update(trace: Trace, conditions: Conditions | None) -> _RowSource:
    # The roofline's row for the update follows those of the layer table.
    index = len(layer_table(trace).rows)
    roofline = None if conditions is None else dict(_roofline(trace, conditions)).get(index)
    return _RowSource("update", trace.optimizer or "", operations=trace.update, roofline=roofline)


def _row(source: _RowSource, spent: PassTimes, step_s: float, has_passes: bool) -> ProfileRow:
    counted, time_s = source.operations, spent.time_s
    flops = None if counted is None else sum(operation.flops for operation in counted)
    moved = None if counted is None else sum(operation.read_bytes + operation.written_bytes for operation in counted)
    roofline = source.roofline if source.roofline is not None and source.roofline.time_s else None
    return ProfileRow(
        index=source.index,
        name=source.name,
        type=source.type,
        calls=source.calls,
        time_s=time_s,
        share=time_s / step_s,
        forward_s=spent.forward_s if has_passes else None,
        backward_s=spent.backward_s if has_passes else None,
        flops=flops,
        moved_bytes=moved,
        flop_per_s=_per(flops, time_s),
        bytes_per_s=_per(moved, time_s),
        intensity=_per(flops, moved),
        bound=None if roofline is None else roofline.bound,
        predicted_s=None if roofline is None else roofline.time_s,
        ratio=None if roofline is None or not time_s else _per(time_s, roofline.time_s),
    )


def top_rows(rows: Sequence[ProfileRow], count: int) -> list[ProfileRow]:
    """Return the `count` longest rows, longest first, the others summed in one row, and the gaps."""
    *layers, gaps = sorted(rows, key=lambda row: (row.name == GAPS and row.index is None, -row.time_s))
    if len(layers) <= count + 1:
        return [*layers, gaps]
    others = layers[count:]
    time_s, share = fsum(row.time_s for row in others), fsum(row.share for row in others)
    return [*layers[:count], ProfileRow(None, "others", f"{len(others)} rows", None, time_s, share), gaps]


def _per(value: float | None, divisor: float | None) -> float | None:
    """Return a quotient, or None where it is not defined."""
    return None if value is None or divisor is None or divisor <= 0 else value / divisor
