"""Labels beside marks, placed so that none covers another label or a mark; a distant one has a leader line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import copysign, sqrt
from typing import TYPE_CHECKING, Any, Literal

import altair as alt

from archbench.reporting.drawings.canvas import text_width

if TYPE_CHECKING:
    from archbench.reporting.charts.plane import Plane

LABEL_SIZE = 12  # pixels, as in the theme
_GAP = 4.0
_LEADER_GAP = 3.0  # pixels between a leader line and its label
_FARTHER = (16.0, 32.0, 52.0, 76.0)
_STRUCK = 100.0  # square pixels: each piece of a leader line over another label
_PIECES = 16

Align = Literal["left", "right", "center"]
Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class Label:
    """A label's text, with the centre of its mark in pixels from the upper left and the mark's area."""

    x: float
    y: float
    area: float
    text: str

    @property
    def radius(self) -> float:
        """Half the width of the mark."""
        return sqrt(self.area) / 2 + 1


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a label stands, in pixels from its mark; `is_near` needs no leader line."""

    dx: float = 0.0
    dy: float = 0.0
    align: Align = "left"
    is_shown: bool = False
    is_near: bool = True


def place_labels(
    labels: Sequence[Label], width: float, height: float, *, obstacles: Sequence[Box] = (), show_all: bool = False
) -> list[Placement]:
    """Return a placement for each label; earlier labels choose first.

    A label without a free place beside its mark is hidden. With `show_all` it is moved away and joined by a leader
    line, or where nothing is free, placed where it covers least. An empty text is never shown. `obstacles` are other
    parts of the picture, in pixels.
    """
    marks = [*map(_mark, labels), *obstacles]
    taken: list[Box] = []
    placements = []
    for own, label in enumerate(labels):
        others = [*marks[:own], *marks[own + 1 :], *taken]
        placement, boxes = _best(label, others, taken, (width, height), show_all=show_all)
        placements.append(placement)
        taken += boxes
    return placements


def _best(
    label: Label, others: Sequence[Box], taken: Sequence[Box], size: tuple[float, float], *, show_all: bool
) -> tuple[Placement, list[Box]]:
    """Return a label's placement and the room that it takes with its leader line."""
    if not label.text:
        return Placement(), []
    candidates = list(_candidates(label, may_stand_off=show_all))
    free = (
        (placement, box)
        for placement, box in candidates
        # A leader line may cross marks, but no label.
        if not _outside(box, *size)
        and not _hits(box, others)
        and not any(_hits(piece, taken) for piece in _leader(label, placement))
    )
    best = next(free, None)
    if best is None and show_all:
        best = min(
            candidates, key=lambda each: (_outside(each[1], *size), _harm(label, each[0], each[1], others, taken))
        )
    if best is None:
        return Placement(), []
    placement, box = best
    return placement, [box, *_leader(label, placement)]


def _harm(label: Label, placement: Placement, box: Box, others: Sequence[Box], taken: Sequence[Box]) -> float:
    """Return the area that a label covers, in square pixels; a label that its leader line strikes counts whole."""
    struck = sum(_hits(piece, taken) for piece in _leader(label, placement))
    return _covered(box, others) + _STRUCK * struck


def label_fields(
    plane: Plane, labels: Sequence[Label], *, obstacles: Sequence[Box] = (), show_all: bool = False
) -> list[dict[str, Any]]:
    """Return for each label the fields of its record that `label_marks` and `leader_lines` read."""
    placements = place_labels(labels, plane.width, plane.height, obstacles=obstacles, show_all=show_all)
    return [placement_fields(plane, *pair) for pair in zip(labels, placements, strict=True)]


def placement_fields(plane: Plane, label: Label, placement: Placement) -> dict[str, Any]:
    """Return the fields of a label's record that `label_marks` and `leader_lines` read."""
    fields = {
        "label": label.text if placement.is_shown else "",
        "dx": placement.dx,
        "dy": placement.dy,
        "align": placement.align,
    }
    if placement.is_near:
        return fields
    end_x, end_y = _leader_end(placement)
    leader_x, leader_y = plane.inverse(label.x + end_x, label.y + end_y)
    return {**fields, "leader_x": leader_x, "leader_y": leader_y}


def _leader_end(placement: Placement) -> tuple[float, float]:
    """Return where a leader line ends, in pixels from the mark: before the near edge of its label."""
    if placement.align == "center":  # above or below its mark
        return placement.dx, placement.dy - copysign(LABEL_SIZE / 2 + _LEADER_GAP, placement.dy)
    return placement.dx + (_LEADER_GAP if placement.align == "right" else -_LEADER_GAP), placement.dy


def label_marks(base: alt.Chart) -> alt.Chart:
    """Return the labels of a chart whose records have `label_fields`."""
    marks: alt.Chart = base.mark_text(
        align=alt.expr("datum.align"), dx=alt.expr("datum.dx"), dy=alt.expr("datum.dy"), style="label"
    ).encode(text="label:N")
    return marks


def leader_lines(base: alt.Chart, opacity: float = 1.0) -> alt.Chart:
    """Return the leader lines of a chart whose records have `label_fields`."""
    distant = base.transform_filter("isValid(datum.leader_x)")
    lines: alt.Chart = distant.mark_rule(style="reference", opacity=opacity).encode(x2="leader_x:Q", y2="leader_y:Q")
    return lines


def _hits(box: Box, others: Sequence[Box]) -> bool:
    return any(_overlap(box, other) for other in others)


def _leader(label: Label, placement: Placement) -> list[Box]:
    """Return the room of a leader line in small pieces; none for a label near its mark."""
    if placement.is_near:
        return []
    dx, dy = _leader_end(placement)
    ends = [(label.x + i / _PIECES * dx, label.y + i / _PIECES * dy) for i in range(_PIECES)]
    return [(x - 1, y - 1, x + 1, y + 1) for x, y in ends]


def _mark(label: Label) -> Box:
    return label.x - label.radius, label.y - label.radius, label.x + label.radius, label.y + label.radius


def _candidates(label: Label, *, may_stand_off: bool) -> Iterator[tuple[Placement, Box]]:
    """Yield placements with their boxes, nearest first: right, left, above, below, the corners."""
    for farther in (0.0, *_FARTHER) if may_stand_off else (0.0,):
        yield from _around(label, label.radius + _GAP + farther, is_near=not farther)


def _around(label: Label, away: float, *, is_near: bool) -> Iterator[tuple[Placement, Box]]:
    # `text_width` is an upper bound; at 0.92 of it labels still keep apart.
    length = 0.92 * text_width(label.text, LABEL_SIZE)
    near = 0.75 * away
    sides: tuple[tuple[float, float, Align], ...] = (
        (away, 0.0, "left"),
        (-away, 0.0, "right"),
        (0.0, -away - 6, "center"),
        (0.0, away + 6, "center"),
        (near, -near - 5, "left"),
        (near, near + 5, "left"),
        (-near, -near - 5, "right"),
        (-near, near + 5, "right"),
    )
    for dx, dy, align in sides:
        left = label.x + dx - {"left": 0.0, "center": length / 2, "right": length}[align]
        top = label.y + dy - LABEL_SIZE / 2
        yield Placement(dx, dy, align, True, is_near), (left, top, left + length, top + LABEL_SIZE)


def _outside(box: Box, width: float, height: float) -> float:
    """Return by how many pixels a box leaves the frame."""
    return max(0.0, -box[0]) + max(0.0, -box[1]) + max(0.0, box[2] - width) + max(0.0, box[3] - height)


def _covered(box: Box, others: Sequence[Box]) -> float:
    """Return the area of other boxes that a box covers, in square pixels."""
    return sum(
        (min(box[2], other[2]) - max(box[0], other[0])) * (min(box[3], other[3]) - max(box[1], other[1]))
        for other in others
        if _overlap(box, other)
    )


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
