"""The table of a layer whose output maps each read some of the input maps, as table I of LeCun et al. (1998)."""

from __future__ import annotations

from collections.abc import Sequence

from archbench.reporting.drawings.canvas import THEME_PAPER, Canvas, Point, text_width
from archbench.reporting.drawings.palette import COLOURS, LABEL_SIZE, STEP_SIZE

CELL = 18.0


def draw_connections(
    canvas: Canvas, before: str, name: str, connections: Sequence[Sequence[int]], x: float, y: float
) -> Point:
    """Draw a column for each output map, with a filled cell for each input map it reads; return where it ends."""
    heading = f"{name}: maps of {before} (rows) that each of its maps (columns) is computed from"
    canvas.text(x, y + LABEL_SIZE, heading, LABEL_SIZE, bold=True)
    num_inputs = 1 + max(max(row, default=0) for row in connections)
    left, top = x + 2 * STEP_SIZE, y + 2 * LABEL_SIZE + STEP_SIZE
    canvas.begin("connections", heading)
    for column, inputs in enumerate(connections):
        middle = left + (column + 0.5) * CELL
        canvas.text(middle, top - 0.4 * STEP_SIZE, str(column), STEP_SIZE, anchor="middle")
        for row in range(num_inputs):
            fill = COLOURS["convolution"][0] if row in inputs else THEME_PAPER
            canvas.rectangle(left + column * CELL, top + row * CELL, CELL, CELL, fill)
    for row in range(num_inputs):
        baseline = top + (row + 0.5) * CELL + 0.35 * STEP_SIZE
        canvas.text(left - 0.5 * STEP_SIZE, baseline, str(row), STEP_SIZE, anchor="end")
    canvas.end()
    right = max(left + len(connections) * CELL, x + text_width(heading, LABEL_SIZE, bold=True))
    return right, top + num_inputs * CELL + LABEL_SIZE
