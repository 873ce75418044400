"""Two models layer by layer: what was inserted, removed or changed, and what that does to the counts.

The rows of both layer tables are aligned as sequences (Needleman and Wunsch 1970): a pair costs as much as it differs,
a layer without partner costs 1. So an inserted layer is an insertion, and the layers after it keep their partners.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from archbench.analyze.layers import LayerRow

ChangeKind = Literal["same", "changed", "only_a", "only_b"]
Pair = tuple[LayerRow | None, LayerRow | None]

# Cost of a difference in each field. A pair is cheaper than two unpaired layers up to 2; layers of different types
# pair only if nearly everything else agrees, as for an exchanged activation. Names weigh little: those in a
# Sequential are numbers, which an insertion shifts.
_COSTS = {
    "type": 1.5, "kernel": 0.25, "stride": 0.25, "padding": 0.25, "groups": 0.25, "output_shape": 0.3, "input_shape":
    0.2, "params": 0.2, "name": 0.25,
}  # fmt: skip
_DESCRIBED = ("type", "kernel", "stride", "padding", "groups", "input_shape", "output_shape")
_ALONE = 1.0


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of a layer in both models, shapes without the batch."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """A layer of either model, or a pair; differences are b's figure minus a's, a missing layer counting 0.

    `changes` are the fields that differ. A pair is `same` if no field and no count differs; names may differ.
    """

    change: ChangeKind
    a: LayerRow | None
    b: LayerRow | None
    changes: tuple[FieldChange, ...]
    params_difference: int
    macs_difference: int
    output_bytes_difference: int


def difference(a: Sequence[LayerRow], b: Sequence[LayerRow]) -> list[DifferenceRow]:
    """Return the rows of both models in order, aligned; the differences of each column sum to that of the totals."""
    return [_row(*pair) for pair in align(a, b)]


def align(a: Sequence[LayerRow], b: Sequence[LayerRow]) -> list[Pair]:
    """Return the cheapest alignment; the common beginning and end are paired without search."""
    start = 0
    while start < min(len(a), len(b)) and _distance(a[start], b[start]) == 0:
        start += 1
    end = 0
    while end < min(len(a), len(b)) - start and _distance(a[-1 - end], b[-1 - end]) == 0:
        end += 1
    inner = _aligned(a[start : len(a) - end], b[start : len(b) - end])
    tail = zip(a[len(a) - end :], b[len(b) - end :], strict=True)
    return [*zip(a[:start], b[:start], strict=True), *inner, *tail]


def _aligned(a: Sequence[LayerRow], b: Sequence[LayerRow]) -> list[Pair]:
    steps = _steps(a, b)
    i, j = len(a), len(b)
    pairs: list[Pair] = []
    while i or j:
        step = steps[i][j]
        i -= step in "pa"
        j -= step in "pb"
        pairs.append((a[i] if step in "pa" else None, b[j] if step in "pb" else None))
    return pairs[::-1]


def _steps(a: Sequence[LayerRow], b: Sequence[LayerRow]) -> list[list[str]]:
    """Return how the cheapest alignment of each prefix of a and b ends: with a pair `p`, a layer of `a`, or of `b`."""
    costs = [_ALONE * j for j in range(len(b) + 1)]
    steps = [["", *"b" * len(b)]]
    for i, row in enumerate(a, start=1):
        above, costs = costs, [_ALONE * i]
        taken = ["a"]
        for j, other in enumerate(b, start=1):
            options = (
                (above[j - 1] + _distance(row, other), "p"),
                (above[j] + _ALONE, "a"),
                (costs[j - 1] + _ALONE, "b"),
            )
            cost, step = min(options, key=lambda option: option[0])
            costs.append(cost)
            taken.append(step)
        steps.append(taken)
    return steps


def _distance(a: LayerRow, b: LayerRow) -> float:
    return sum(cost for field, cost in _COSTS.items() if _value(a, field) != _value(b, field))


def _value(row: LayerRow, field: str) -> Any:
    value = getattr(row, field)
    return value[1:] if field.endswith("_shape") and value else value


def _row(a: LayerRow | None, b: LayerRow | None) -> DifferenceRow:
    params, macs, output_bytes = (_less(a, b, field) for field in ("params", "macs", "output_bytes"))
    changes: tuple[FieldChange, ...] = ()
    kind: ChangeKind = "only_b" if a is None else "only_a"
    if a is not None and b is not None:
        fields = ((field, _value(a, field), _value(b, field)) for field in _DESCRIBED)
        changes = tuple(FieldChange(*change) for change in fields if change[1] != change[2])
        kind = "changed" if changes or params or macs or output_bytes else "same"
    return DifferenceRow(kind, a, b, changes, params, macs, output_bytes)


def _less(a: LayerRow | None, b: LayerRow | None, field: str) -> int:
    before, after = (0 if row is None else getattr(row, field) for row in (a, b))
    return int(after - before)
