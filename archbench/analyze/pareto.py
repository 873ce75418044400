"""The Pareto front of points of which more is better in both coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the indices of the points that none dominates, by rising first coordinate.

    A point dominates another if it is at least as high in both coordinates and higher in one: equal points stay
    together. Coordinates are finite.
    """
    front: list[int] = []
    highest = -inf
    for index in sorted(range(len(points)), key=points.__getitem__, reverse=True):
        if points[index][1] > highest or (front and points[index] == points[front[-1]]):
            front.append(index)
            highest = points[index][1]
    return front[::-1]
