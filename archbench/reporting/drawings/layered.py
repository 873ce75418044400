"""Lay out a directed graph in layers, after Sugiyama, Tagawa and Toda (1981).

Nodes stand in rows by their longest path from the sources, and every link points downwards. A link over several rows
has a lane of its own through each, which links from one source share. The order in a row follows the barycentres of the
neighbours; a linear program (HiGHS, in SciPy) finds the places that make the links straight. Nothing is random.

Why this is not a library: Graphviz, pygraphviz and dagre need a program that pip does not install; grandalf, igraph,
OGDF, ELK and the ports of Graphviz have licences with more duties than MIT (GPL, EPL); fast-sugiyama (MIT) gives all
nodes one size and has no place for ports, on which modules with a graph inside depend; graphlay (MIT) is new (October
2026).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean as mean

Point = tuple[float, float]

ROW_GAP = 26.0
NODE_GAP = 22.0
LANE_GAP = 14.0
_SWEEPS = 8
_STRAIGHT = 8.0  # weight of a link between two places of a lane
_ALONG = 2.0  # between two nodes
_ASIDE = 0.05  # between a node and a lane, which so bends and leaves the node where it is
_LEFT = 1e-6  # of a place's distance from the left, where all else is equal


@dataclass(frozen=True, slots=True)
class Link:
    """A link between two nodes, with the horizontal distances of its ends from the middles of the nodes."""

    source: int
    target: int
    source_offset: float = 0.0
    target_offset: float = 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """A part of a link: its start, where it leaves a row and enters the next, its end, and the node there, if any."""

    points: tuple[Point, Point, Point, Point]
    target: int | None


@dataclass(frozen=True, slots=True)
class Layout:
    """The upper left corners of the nodes, the lines between them, and the size of the whole."""

    corners: tuple[Point, ...]
    lines: tuple[Line, ...]
    width: float
    height: float


@dataclass(slots=True)
class _Place:
    """A node, or a lane (`node` is None), in a row."""

    width: float
    height: float
    node: int | None
    x: float = 0.0


@dataclass(slots=True)
class _Step:
    """A link between places in consecutive rows."""

    upper: int
    lower: int
    upper_offset: float
    lower_offset: float
    weight: float


def layered(
    sizes: Sequence[Point], links: Sequence[Link], first: Collection[int] = (), last: Collection[int] = ()
) -> Layout:
    """Return the layout of nodes of the given widths and heights; `first` and `last` stand in rows of their own.

    Links go from a node to a later one, except that `first` and `last` may have any positions.
    """
    ranks = _ranks(len(sizes), links, first, last)
    places = [_Place(*size, node) for node, size in enumerate(sizes)]
    rows: list[list[int]] = [[] for _ in range(max(ranks, default=0) + 1)]
    for node, rank in enumerate(ranks):
        rows[rank].append(node)
    steps = _steps(links, ranks, places, rows)
    _order(rows, steps)
    _place(rows, steps, places)
    return _layout(rows, steps, places, len(sizes))


def _ranks(count: int, links: Sequence[Link], first: Collection[int], last: Collection[int]) -> list[int]:
    """Return each node's row: below its sources or, if other links lead down from them anyway, above its targets."""
    before: defaultdict[int, list[int]] = defaultdict(list)
    after: defaultdict[int, list[int]] = defaultdict(list)
    for link in links:
        before[link.target].append(link.source)
        after[link.source].append(link.target)
    top = int(bool(first))
    ranks = [0 if node in first else top for node in range(count)]
    inner = [node for node in range(count) if node not in first and node not in last]
    for node in inner:
        ranks[node] = max((ranks[source] + 1 for source in before[node]), default=top)
    bottom = max((ranks[node] for node in range(count)), default=0) + 1
    for node in last:
        ranks[node] = bottom
    for node in reversed(inner):
        lowest = min((ranks[target] for target in after[node]), default=0) - 1
        reaches = (any(ranks[other] >= lowest for other in after[source] if other != node) for source in before[node])
        if after[node] and all(reaches):
            ranks[node] = lowest
    return ranks


def _steps(links: Sequence[Link], ranks: Sequence[int], places: list[_Place], rows: list[list[int]]) -> list[_Step]:
    """Return the links cut at the rows. Lanes are added to the places and rows, those of later sources first."""
    steps: list[_Step] = []
    lanes: dict[tuple[int, float, int], int] = {}
    for link in sorted(links, key=lambda link: (-link.source, link.source_offset, link.target)):
        upper, offset = link.source, link.source_offset
        for rank in range(ranks[link.source] + 1, ranks[link.target]):
            key = link.source, link.source_offset, rank
            if key not in lanes:
                lanes[key] = len(places)
                rows[rank].append(lanes[key])
                places.append(_Place(0.0, 0.0, None))
                steps.append(_Step(upper, lanes[key], offset, 0.0, _ASIDE if upper == link.source else _STRAIGHT))
            upper, offset = lanes[key], 0.0
        weight = _ALONG if upper == link.source else _ASIDE
        steps.append(_Step(upper, link.target, offset, link.target_offset, weight))
    return steps


def _order(rows: list[list[int]], steps: Sequence[_Step]) -> None:
    """Order each row by the barycentres of its neighbours, above and below in turn; keep the one of least crossings."""
    above: defaultdict[int, list[int]] = defaultdict(list)
    below: defaultdict[int, list[int]] = defaultdict(list)
    for step in steps:
        above[step.lower].append(step.upper)
        below[step.upper].append(step.lower)
    position = {place: i for row in rows for i, place in enumerate(row)}
    best, fewest = [list(row) for row in rows], _crossings(rows, below, position)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        for row in rows[:: 1 - 2 * (sweep % 2)]:
            neighbours = below if sweep % 2 else above
            means = {place: mean([position[other] for other in neighbours[place] or [place]]) for place in row}
            row.sort(key=means.__getitem__)
            position.update((place, i) for i, place in enumerate(row))
        crossings = _crossings(rows, below, position)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    rows[:] = best


def _crossings(rows: Sequence[Sequence[int]], below: dict[int, list[int]], position: dict[int, int]) -> int:
    """Return the number of pairs of steps that cross."""
    crossings = 0
    for row in rows:
        ends = [end for place in row for end in sorted(position[lower] for lower in below[place])]
        crossings += sum(ends[i] > ends[j] for i in range(len(ends)) for j in range(i + 1, len(ends)))
    return crossings


def _place(rows: Sequence[Sequence[int]], steps: Sequence[_Step], places: Sequence[_Place]) -> None:
    """Keep the places apart with the least weighted sum of horizontal distances, as Graphviz (Gansner et al. 1993)."""
    import numpy as np
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    terms = _terms(steps)
    limits: list[tuple[dict[int, float], float]] = [
        ({left: 1.0, right: -1.0}, -_apart(places[left], places[right]))
        for row in rows
        for left, right in pairwise(row)
    ]
    for number, (coefficients, constant, _) in enumerate(terms, start=len(places)):
        limits.append(({**coefficients, number: -1.0}, -constant))
        limits.append(({**{place: -c for place, c in coefficients.items()}, number: -1.0}, constant))
    if not limits:
        return
    cells = [(value, (i, variable)) for i, (row, _) in enumerate(limits) for variable, value in row.items()]
    values, indices = zip(*cells, strict=True)
    matrix = csr_array((values, tuple(zip(*indices, strict=True))), shape=(len(limits), len(places) + len(terms)))
    costs = np.array([_LEFT] * len(places) + [weight for _, _, weight in terms])
    solution = linprog(costs, A_ub=matrix, b_ub=[limit for _, limit in limits], method="highs")
    for place, x in zip(places, solution.x, strict=False):
        place.x = float(x)


_Term = tuple[dict[int, float], float, float]  # coefficients of places, a constant, and the weight of their distance


def _terms(steps: Sequence[_Step]) -> list[_Term]:
    """Return the distances of the steps, and that of each node from the mean of those next to it, above and below."""
    terms: list[_Term] = []
    near: defaultdict[tuple[int, bool], list[tuple[int, float]]] = defaultdict(list)
    for step in steps:
        shift = step.upper_offset - step.lower_offset
        terms.append(({step.upper: 1.0, step.lower: -1.0}, shift, step.weight))
        if step.weight == _ALONG:
            near[step.upper, True].append((step.lower, shift))
            near[step.lower, False].append((step.upper, -shift))
    for (place, _), others in near.items():
        share = dict.fromkeys(dict(others), -1 / len(others))
        terms.append(({place: 1.0, **share}, mean(shift for _, shift in others), _ALONG))
    return terms


def _apart(left: _Place, right: _Place) -> float:
    """Return the least distance between the middles of two neighbours in a row."""
    gap = NODE_GAP if left.node is not None and right.node is not None else LANE_GAP
    return (left.width + right.width) / 2 + gap


def _layout(rows: Sequence[Sequence[int]], steps: Sequence[_Step], places: Sequence[_Place], count: int) -> Layout:
    left = min((place.x - place.width / 2 for place in places), default=0.0)
    right = max((place.x + place.width / 2 for place in places), default=0.0)
    tops: dict[int, tuple[float, float]] = {}
    y = 0.0
    for row in rows:
        height = max((places[place].height for place in row), default=0.0)
        tops.update((place, (y, height)) for place in row)
        y += height + ROW_GAP

    def top(place: int) -> float:
        row_top, height = tops[place]
        return row_top + (height - places[place].height) / 2 if places[place].node is not None else row_top

    def line(step: _Step) -> Line:
        upper, lower = places[step.upper], places[step.lower]
        start_x, end_x = upper.x + step.upper_offset - left, lower.x + step.lower_offset - left
        start = top(step.upper) + upper.height if upper.node is not None else sum(tops[step.upper])
        leave, enter = sum(tops[step.upper]), tops[step.lower][0]
        end = top(step.lower) if lower.node is not None else sum(tops[step.lower])
        return Line(((start_x, start), (start_x, leave), (end_x, enter), (end_x, end)), lower.node)

    corners = tuple((places[i].x - places[i].width / 2 - left, top(i)) for i in range(count))
    return Layout(corners, tuple(map(line, steps)), right - left, max(0.0, y - ROW_GAP))
