"""Labels of a falling line of points, stacked in the free room above it: no label or leader line crosses another."""

from __future__ import annotations

from collections.abc import Sequence

from archbench.reporting.charts.label_placement import LABEL_SIZE, Box, Label, Placement
from archbench.reporting.drawings.canvas import text_width

_ROW = LABEL_SIZE + 2.0  # pixels from one label to the next
_GAP = 6.0
_STRAIGHT = 1.0  # pixels: a label moved by less needs no leader line


def place_above(labels: Sequence[Label]) -> list[Placement]:
    """Return a placement for each label of points that go right and down, to the right of the point or above it.

    A label moves up as far as those below need, and right of the line at its height. So leader lines, which go up and
    right, cross neither the line nor a label.
    """
    heights = _heights(labels)
    placements = []
    for label, height in zip(labels, heights, strict=True):
        bottom = height + _ROW / 2
        left = max(other.x + other.radius for other in labels if other is label or other.y - other.radius < bottom)
        is_near = label.y - height < _STRAIGHT and left == label.x + label.radius
        placements.append(Placement(left + _GAP - label.x, height - label.y, "left", True, is_near))
    return placements


def label_boxes(labels: Sequence[Label], placements: Sequence[Placement]) -> list[Box]:
    """Return the room of labels that `place_above` placed."""
    return [
        _box(label, label.x + placed.dx, label.y + placed.dy) for label, placed in zip(labels, placements, strict=True)
    ]


def overhang(labels: Sequence[Label], placements: Sequence[Placement], width: float) -> tuple[float, float]:
    """Return by how many pixels labels leave the frame at its right and its top; negative where room is left."""
    boxes = label_boxes(labels, placements)
    return max(box[2] for box in boxes) - width, -min(box[1] for box in boxes)


def _box(label: Label, left: float, y: float) -> Box:
    return left, y - LABEL_SIZE / 2, left + text_width(label.text, LABEL_SIZE), y + LABEL_SIZE / 2


def _heights(labels: Sequence[Label]) -> list[float]:
    """Return the vertical position of each label: its point's, or a row above the label below it."""
    heights: list[float] = []
    for label in reversed(labels):
        heights.append(min(label.y, heights[-1] - _ROW) if heights else label.y)
    return heights[::-1]
