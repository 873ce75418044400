"""Names beside points, placed so that none covers another or a point; one that stands off is joined by a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

from archbench.reporting.drawings.canvas import text_width

_SIZE = 12  # of labels, as the theme has it
_GAP = 4.0
_FARTHER = (16.0, 32.0, 52.0)
_PIECES = 16

Align = Literal["left", "right", "center"]
Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class Spot:
    """A point on the page in pixels from the upper left, the area of its mark in square pixels, and its name."""

    x: float
    y: float
    area: float
    text: str

    @property
    def radius(self) -> float:
        """Half of how wide its mark is."""
        return sqrt(self.area) / 2 + 1


@dataclass(frozen=True, slots=True)
class Place:
    """Where a name stands, in pixels from its point; nowhere if it is not shown. `is_near` needs no line to it."""

    dx: float = 0.0
    dy: float = 0.0
    align: Align = "left"
    is_shown: bool = False
    is_near: bool = True


def places(
    spots: Sequence[Spot], width: float, height: float, *, obstacles: Sequence[Box] = (), all_shown: bool = False
) -> list[Place]:
    """Return a place for each name, the first ones choosing first.

    A name that finds none beside its point is not shown, or with `all_shown` stands off from it, joined by a line; if
    nothing is free, it stands where it covers least. An empty name needs no place. `obstacles` are what else is in the
    picture.
    """
    solid = [*(_mark(spot) for spot in spots), *obstacles]
    written: list[Box] = []
    found = []
    for own, spot in enumerate(spots):
        if not spot.text:
            found.append(Place())
            continue
        others = [*solid[:own], *solid[own + 1 :], *written]
        candidates = list(_candidates(spot, may_stand_off=all_shown))
        free = (
            (place, box)
            for place, box in candidates
            # A line may pass over marks, but not over what is written.
            if not _outside(box, width, height)
            and not _hits(box, others)
            and not any(_hits(piece, written) for piece in _line(spot, place))
        )
        chosen = next(free, None)
        if chosen is None and all_shown:
            chosen = min(candidates, key=lambda each: (_outside(each[1], width, height), _covered(each[1], others)))
        if chosen is None:
            found.append(Place())
            continue
        place, box = chosen
        found.append(place)
        written += [box, *_line(spot, place)]
    return found


def _hits(box: Box, others: Sequence[Box]) -> bool:
    return any(_overlap(box, other) for other in others)


def _line(spot: Spot, place: Place) -> list[Box]:
    """Return the room of the line to a name that stands off, in small pieces; none where there is no line."""
    if place.is_near:
        return []
    ends = [(spot.x + i / _PIECES * place.dx, spot.y + i / _PIECES * place.dy) for i in range(_PIECES)]
    return [(x - 1, y - 1, x + 1, y + 1) for x, y in ends]


def _mark(spot: Spot) -> Box:
    return spot.x - spot.radius, spot.y - spot.radius, spot.x + spot.radius, spot.y + spot.radius


def _candidates(spot: Spot, *, may_stand_off: bool) -> Iterator[tuple[Place, Box]]:
    """Yield places, the nearest first: right, left, above, below, the corners; each with the room that it takes."""
    for farther in (0.0, *_FARTHER) if may_stand_off else (0.0,):
        yield from _around(spot, spot.radius + _GAP + farther, is_near=not farther)


def _around(spot: Spot, away: float, *, is_near: bool) -> Iterator[tuple[Place, Box]]:
    length = 0.92 * text_width(spot.text, _SIZE)
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
        left = spot.x + dx - {"left": 0.0, "center": length / 2, "right": length}[align]
        middle = spot.y + dy
        yield Place(dx, dy, align, True, is_near), (left, middle - _SIZE / 2, left + length, middle + _SIZE / 2)


def _outside(box: Box, width: float, height: float) -> float:
    """Return by how many pixels a box is out of the frame."""
    return max(0.0, -box[0]) + max(0.0, -box[1]) + max(0.0, box[2] - width) + max(0.0, box[3] - height)


def _covered(box: Box, others: Sequence[Box]) -> float:
    """Return how many square pixels of others a box covers."""
    return sum(
        (min(box[2], other[2]) - max(box[0], other[0])) * (min(box[3], other[3]) - max(box[1], other[1]))
        for other in others
        if _overlap(box, other)
    )


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
