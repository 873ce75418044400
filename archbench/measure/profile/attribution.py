"""Attribute the time of a profiled step to layers: pure functions over plain records of events.

While a step is profiled, every module's forward is a range named after its path. An operator belongs to the innermost
range around it: to the module if that is a leaf, else to the row `<path>/<operator>` of the layer table, or where calls
of an operator stand on other rows, to the row that the call of the same number in the trace has. Operators of
the backward pass run for a node of the autograd graph, and a node belongs to the operator that created it: the last
operator on the node's forward thread whose sequence number, which counts nodes, is not above the node's. Nodes without
a number accumulate gradients of parameters and belong to the node before them, which produced the gradient.

On a CPU the time of an operator excludes the operators inside it; on a GPU it is the time of the kernels that it
launched. Time inside a step but outside all operators remains as the gaps.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile

from archbench.analyze.layers import layer_table
from archbench.measure.profile.events import LAYER, STEP, Elsewhere, Event, Place, Places, StepTimes
from archbench.trace.records import Trace

# torch names the ranges of its optimizers so.
_OPTIMIZER = "Optimizer."


def places_of(trace: Trace) -> Places:
    """Return what the time of a model's step can be attributed to."""
    table = {row.name for row in layer_table(trace).rows}
    leaves = frozenset(layer.path for layer in trace.layers if layer.is_leaf)
    names: set[str] = set()
    calls: defaultdict[str, list[str]] = defaultdict(list)
    for operation in trace.operations:
        if trace.runs_in_leaf(operation):
            continue
        name, row = trace.name_of(operation), trace.row_of(operation)
        if row in table:
            names.add(name)
        if not operation.is_backward:
            calls[name].append(row)
    free = calls.keys() - names
    rows = {name: rows for name, rows in calls.items() if name in names and set(rows) != {name}}
    return Places(leaves, frozenset(names), frozenset(free), rows)


def attribute(events: Iterable[Event], places: Places, *, on_gpu: bool) -> list[StepTimes]:
    """Return the times of each step, a range whose name begins with `STEP`, in order; other events are ignored."""
    forest = _Forest(sorted(events, key=lambda event: (event.thread, event.start_ns, -event.end_ns)))
    steps = sorted((e for e in forest.events if e.kind == "range" and e.name.startswith(STEP)), key=_start)
    times = [StepTimes(step.end_ns - step.start_ns) for step in steps]
    starts = [step.start_ns for step in steps]
    attribution = _Attribution(forest, places)
    for index, event in enumerate(forest.events):
        number = bisect_right(starts, event.start_ns) - 1
        if event.kind == "range" or number < 0 or event.start_ns >= steps[number].end_ns:
            continue
        time_ns = event.kernel_ns if on_gpu else forest.own_ns[index]
        if time_ns:
            times[number].add(attribution.place(index), time_ns, is_backward=forest.is_backward[index])
    return times


def _start(event: Event) -> int:
    return event.start_ns


class _Forest:
    """Events in order of thread and time, each with the event that encloses it."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        self.parents: list[int | None] = []
        self.own_ns = [event.end_ns - event.start_ns for event in events]
        self.is_backward: list[bool] = []
        open_: list[int] = []
        for index, event in enumerate(events):
            while open_ and (events[open_[-1]].thread != event.thread or events[open_[-1]].end_ns <= event.start_ns):
                open_.pop()
            parent = open_[-1] if open_ else None
            self.parents.append(parent)
            self.is_backward.append(event.kind == "node" or (parent is not None and self.is_backward[parent]))
            if parent is not None:
                self.own_ns[parent] -= event.end_ns - event.start_ns
            open_.append(index)

    def inside(self, index: int) -> Iterator[int]:
        """Yield an event and all events inside it, in order of time."""
        top = self.events[index]
        for other in range(index, len(self.events)):
            event = self.events[other]
            if other != index and (event.thread != top.thread or event.start_ns >= top.end_ns):
                return
            yield other


class _Attribution:
    """Finds the place of each event and caches it."""

    def __init__(self, forest: _Forest, places: Places) -> None:
        self._forest = forest
        self._places = places
        self._places_by_event: dict[int, Place] = {}
        self._made: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        self._node_before: list[int | None] = []
        last: int | None = None
        for index, event in enumerate(forest.events):
            if last is not None and forest.events[last].thread != event.thread:
                last = None
            self._node_before.append(last)
            if event.kind == "node" and event.sequence >= 0:
                last = index
            elif event.kind == "operator" and event.sequence >= 0:
                self._made[event.thread].append((event.sequence, index))
        for made in self._made.values():
            made.sort()
        self._rows = self._rows_of_calls()

    def _rows_of_calls(self) -> dict[int, str]:
        """Return the row of each call of an operator whose calls stand on other rows than its own.

        Steps repeat the calls of the trace. If the number of calls is not a multiple of that in the trace, torch ran
        something else, and the calls have the operator's own row.
        """
        calls: defaultdict[str, list[int]] = defaultdict(list)
        for index, event in enumerate(self._forest.events if self._places.rows else ()):
            if event.kind == "operator" and (path := self._container(index)) is not None:
                name = self._name(index, path)
                if name in self._places.rows and not self._is_inside_known(index, path):
                    calls[name].append(index)
        return {
            index: rows[number % len(rows)]
            for name, indices in calls.items()
            if not len(indices) % len(rows := self._places.rows[name])
            for number, index in enumerate(indices)
        }

    def _is_inside_known(self, index: int, path: str) -> bool:
        above = takewhile(lambda other: self._forest.events[other].kind == "operator", self._above(index))
        return any(self._name(other, path) in self._places.operators for other in above)

    def place(self, index: int) -> Place:
        """Return the place of an event."""
        if index not in self._places_by_event:
            self._places_by_event[index] = self._place(index)
        return self._places_by_event[index]

    def _place(self, index: int) -> Place:
        event = self._forest.events[index]
        if event.kind == "node":
            source = self._creator(event) if event.sequence >= 0 else self._node_before[index]
            return Elsewhere.OUTSIDE if source is None else self.place(source)
        if event.kind == "range" and event.name.startswith(_OPTIMIZER):
            return Elsewhere.UPDATE
        if event.kind == "operator":
            container = self._container(index)
            if container is not None:
                return self._row(index, container)
        elif event.name.startswith(LAYER):
            return event.name.removeprefix(LAYER)
        parent = self._forest.parents[index]
        return Elsewhere.OUTSIDE if parent is None else self.place(parent)

    def _creator(self, node: Event) -> int | None:
        """Return the operator that created a node."""
        made = self._made[node.forward_thread]
        position = bisect_right(made, (node.sequence, len(self._forest.events)))
        return made[position - 1][1] if position else None

    def _container(self, index: int) -> str | None:
        """Return the path of the module with children in which an operator ran directly, None if there is none."""
        for above in self._above(index):
            event = self._forest.events[above]
            if event.kind == "node" or event.name.startswith(_OPTIMIZER):
                return None
            if event.kind == "range" and event.name.startswith(LAYER):
                path = event.name.removeprefix(LAYER)
                return None if path in self._places.leaves else path
        return None

    def _row(self, index: int, path: str) -> Place:
        """Return the row of an operator that ran in a module with children.

        torch runs operators inside operators, and the layer table has one of them: the outermost known one, else the
        first known one inside. A view on its own, or an operator that computes nothing, is free. Any other operator
        that the table does not have gets a row of its own.
        """
        chain = [index]
        for above in self._above(index):
            if self._forest.events[above].kind != "operator":
                break
            chain.append(above)
        chain.reverse()
        tree = list(self._forest.inside(chain[0]))
        names = {other: self._name(other, path) for other in (*chain, *tree)}
        known = next((other for other, name in names.items() if name in self._places.operators), None)
        if known is not None:
            return self._rows.get(known, names[known])
        computes = any(not self._forest.events[other].is_composite for other in tree)
        is_free = not computes or any(name in self._places.free for name in names.values())
        return Elsewhere.FREE if is_free else names[chain[0]]

    def _name(self, index: int, path: str) -> str:
        operator = self._forest.events[index].name.replace("::", ".").removeprefix("aten.")
        return f"{path}/{operator}"

    def _above(self, index: int) -> Iterator[int]:
        """Yield the events that enclose an event, innermost first."""
        parent = self._forest.parents[index]
        while parent is not None:
            yield parent
            parent = self._forest.parents[parent]
