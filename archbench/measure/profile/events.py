"""Records of a profiled step: events, what their time can be attributed to, and the times of a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

# Names of ranges, which also show in the exported trace.
STEP = "step "
LAYER = "layer "

EventKind = Literal["operator", "node", "range"]


@dataclass(frozen=True, slots=True)
class Event:
    """An interval on a thread: an operator, a node of the backward pass, or a named range.

    `sequence` is, for an operator, the number of nodes that its thread had created before, and for a node its number
    on `forward_thread`; -1 if there is none. `kernel_ns` is the time of the kernels that it launched, without those of
    events inside it. A composite operator computes nothing itself but calls other operators, or none.
    """

    name: str
    kind: EventKind
    start_ns: int
    end_ns: int
    thread: int = 1
    sequence: int = -1
    forward_thread: int = 0
    kernel_ns: int = 0
    is_composite: bool = False


@dataclass(frozen=True, slots=True)
class Places:
    """What time can be attributed to.

    `leaves` are paths of leaf modules; `operators` and `free` are `<path>/<operator>` of operators that ran directly in
    modules with children, `free` those that cost nothing. `rows` has the rows of an operator's calls in one step, in
    order, where they are not its own row: a projection in an attention module, for example.
    """

    leaves: frozenset[str]
    operators: frozenset[str]
    free: frozenset[str]
    rows: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        names = {name: sorted(getattr(self, name)) for name in ("leaves", "operators", "free")}
        return {**names, "rows": {name: list(rows) for name, rows in self.rows.items()}}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Places:
        """Return the places that `to_json` wrote."""
        leaves, operators, free = (frozenset(values[name]) for name in ("leaves", "operators", "free"))
        return cls(leaves, operators, free, values["rows"])


class Elsewhere(Enum):
    """Time that belongs to no row: the optimizer, operators outside all modules, and views."""

    UPDATE = "update"
    OUTSIDE = "outside"
    FREE = "free"


Place = str | Elsewhere


@dataclass(slots=True)
class Spent:
    """Time in the forward and in the backward pass, in nanoseconds."""

    forward_ns: int = 0
    backward_ns: int = 0

    def add(self, time_ns: int, *, is_backward: bool) -> None:
        """Add a time to one of the two passes."""
        if is_backward:
            self.backward_ns += time_ns
        else:
            self.forward_ns += time_ns


@dataclass(slots=True)
class StepTimes:
    """The time of one step and where it was spent.

    `rows` has the rows of the layer table by name, and further operators under names of the same form. `outside` is
    time outside all modules, in training the loss. The rest of `total_ns` are the gaps, negative if kernels overlap.
    """

    total_ns: int
    rows: dict[str, Spent] = field(default_factory=dict)
    update_ns: int = 0
    outside: Spent = field(default_factory=Spent)

    def add(self, place: Place, time_ns: int, *, is_backward: bool) -> None:
        """Add a time to its place; the time of views stays in the gaps."""
        if place is Elsewhere.UPDATE:
            self.update_ns += time_ns
        elif place is Elsewhere.OUTSIDE:
            self.outside.add(time_ns, is_backward=is_backward)
        elif isinstance(place, str):
            self.rows.setdefault(place, Spent()).add(time_ns, is_backward=is_backward)
