"""A model as SVG: feature volumes in a row, as in the figures of papers.

Labels never overlap: their room is an upper bound of their width in a sans-serif typeface.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product

from archbench.analyze.diagram.volumes import Stage
from archbench.analyze.layers import Totals
from archbench.reporting.drawings.canvas import MARGIN, Canvas, Point, lighter, text_width
from archbench.reporting.drawings.connections import draw_connections
from archbench.reporting.drawings.palette import CLEARANCE, COLOURS, LABEL_SIZE, STEP_SIZE, counts, dimensions
from archbench.units import format_integer

LINE = 1.25  # distance of baselines, in units of the text size
OBLIQUE = 0.35  # offset to the right and upwards per unit of width
MAX_ROW = 1250.0  # pixels; a longer chain continues in a new row where possible
MIN_GAP = 38.0

_SCALE = (
    "Width and height are to scale; thickness grows with the square root of the channels, the height of bars with that"
    " of the neurons. Sizes are channels x height x width, kernels height x width; the small window in a volume is the"
    " next layer's kernel, to scale. A stride of 1 is not written."
)
_EXPLANATIONS = {"LRN": "LRN: local response normalisation.", "BN": "BN: batch normalisation."}
_TOWERS = (
    "Two rows are two groups; where arrows cross, each group sees both. A fully connected layer sees both and is one"
    " bar, also where, as in AlexNet's fc6 and fc7, each of two GPUs held half of its neurons."
)
_MOST_COLUMNS = 64  # of a table of connections
_MAPS = "Up to 16 feature maps are drawn one by one."


def volumes_svg(stages: Sequence[Stage], title: str, totals: Totals) -> str:
    """Return a chain of feature volumes as SVG, in as many rows as its length needs."""
    canvas = Canvas()
    subtitle = f"input {_size(stages[0])}; {counts(totals.params, totals.macs)}"
    gaps = [0.0, *(_gap(before, after) for before, after in pairwise(stages))]
    rows = _rows(stages, gaps)
    spread = _spread(stages)
    y = canvas.heading(title, subtitle)
    right = 0.0
    leaving: list[Point] = []
    for first, last in rows:
        row, widths = stages[first:last], gaps[first:last]
        axis = y + _ascent(row, spread)
        places = _places(row, widths, is_first=first == 0)
        for stage, x in zip(row, places, strict=True):
            _draw_stage(canvas, stage, x, axis, spread)
        for (before, x_before), (after, x_after) in pairwise(zip(row, places, strict=True)):
            _draw_step(canvas, before, x_before, after, x_after, axis, spread)
        if leaving:
            _draw_turn(canvas, stages[first - 1], leaving, row[0], places[0], axis)
        bottom = axis + _descent(row, spread) + CLEARANCE
        end = places[-1] + _extent(row[-1]) + _overhang(row[-1]) + CLEARANCE
        leaving = [(_side(row[-1], places[-1]), axis), (end, axis), (end, bottom), (MARGIN, bottom)]
        right, y = max(right, end), bottom + CLEARANCE
    for before, stage in pairwise(stages):
        if 0 < len(stage.connections) <= _MOST_COLUMNS:
            width, y = draw_connections(canvas, before.name, stage.name, stage.connections, MARGIN, y + CLEARANCE)
            right = max(right, width)
    kinds = {stage.kind for stage in stages}
    legend = [entry for kind, entry in COLOURS.items() if kind in kinds]
    return canvas.page(title, subtitle, y, right, legend, _caption(stages))


def _size(stage: Stage) -> str:
    if len(stage.shape) == 1:
        return format_integer(stage.shape[0])
    return dimensions(stage.shape)


def _labels(stage: Stage) -> list[str]:
    towers = [f"{stage.shape[0] // 2} in each"] if stage.has_towers else []
    return [stage.name, _size(stage), *towers]


def _extent(stage: Stage) -> float:
    return stage.box.thickness + OBLIQUE * stage.box.width


def _reach(stage: Stage) -> float:
    """Return the extent of a box above its axis, which equals that below."""
    return (stage.box.height + OBLIQUE * stage.box.width) / 2


def _overhang(stage: Stage) -> float:
    """Return how far the labels exceed the box on either side."""
    name, *others = _labels(stage)
    widest = max(text_width(name, LABEL_SIZE, bold=True), *(text_width(text, LABEL_SIZE) for text in others))
    return max(0.0, (widest - _extent(stage)) / 2)


def _step_width(stage: Stage) -> float:
    return max((text_width(line, STEP_SIZE) for line in stage.step), default=0.0)


def _gap(before: Stage, after: Stage) -> float:
    labels = _overhang(before) + _overhang(after)
    return max(MIN_GAP, _step_width(after) + CLEARANCE, labels + CLEARANCE)


def _rows(stages: Sequence[Stage], gaps: Sequence[float]) -> list[tuple[int, int]]:
    """Return the begin and end of each row: balanced in length, broken after a pooling if possible, never in towers."""
    total = sum(gaps) + sum(_extent(stage) for stage in stages)
    balanced = total / -(-total // MAX_ROW)
    starts, width = [0], 0.0
    for i, stage in enumerate(stages):
        width += gaps[i] + _extent(stage)
        is_late = width > MAX_ROW or (width > 0.9 * balanced and i and stages[i - 1].kind == "pooling")
        if i > starts[-1] and total > MAX_ROW and is_late and not (stage.has_towers or stages[i - 1].has_towers):
            starts.append(i)
            width = gaps[i] + _extent(stage)
    return list(pairwise([*starts, len(stages)]))


def _places(row: Sequence[Stage], gaps: Sequence[float], *, is_first: bool) -> list[float]:
    """Return the left side of each box of a row; the first leaves room for the arrow from the row above."""
    lead = 0.0 if is_first else _step_width(row[0]) + 2 * CLEARANCE
    places = [MARGIN + max(lead, _overhang(row[0]))]
    for before, gap in zip(row, gaps[1:], strict=False):
        places.append(places[-1] + _extent(before) + gap)
    return places


def _spread(stages: Sequence[Stage]) -> float:
    """Return the distance between the axes of two towers."""
    return max((2 * _reach(stage) + 36 for stage in stages if stage.has_towers), default=0.0)


def _offsets(stage: Stage, spread: float) -> tuple[float, ...]:
    return (-spread / 2, spread / 2) if stage.has_towers else (0.0,)


def _ascent(row: Sequence[Stage], spread: float) -> float:
    boxes = max(_reach(stage) + _offsets(stage, spread)[-1] for stage in row)
    lines = max(len(stage.step) for stage in row) * LINE * STEP_SIZE
    return max(boxes, max(_offsets(stage, spread)[-1] for stage in row) + lines + CLEARANCE)


def _descent(row: Sequence[Stage], spread: float) -> float:
    return max(_reach(stage) + _offsets(stage, spread)[-1] + _label_height(stage) for stage in row)


def _label_height(stage: Stage) -> float:
    return (len(_labels(stage)) + 0.5) * LINE * LABEL_SIZE


def _draw_stage(canvas: Canvas, stage: Stage, x: float, axis: float, spread: float) -> None:
    """Draw a stage's boxes on the axes of its towers, with its name and size below the lowest."""
    canvas.begin(stage.kind, f"{stage.name}: {_size(stage)}, {counts(stage.params, stage.macs)}")
    offsets = _offsets(stage, spread)
    for offset in offsets:
        _draw_box(canvas, stage, x, axis + offset)
    y = axis + offsets[-1] + _reach(stage) + 0.25 * LABEL_SIZE
    for number, label in enumerate(_labels(stage)):
        y += LINE * LABEL_SIZE
        canvas.text(x + _extent(stage) / 2, y, label, LABEL_SIZE, anchor="middle", bold=number == 0)
    canvas.end()


def _draw_box(canvas: Canvas, stage: Stage, x: float, axis: float) -> None:
    """Draw an oblique box, or its maps; the middle of its right side, where arrows start, is on the axis."""
    thickness, height, receding = stage.box.thickness, stage.box.height, OBLIQUE * stage.box.width
    colour = COLOURS[stage.kind][0]
    top, bottom = axis + (receding - height) / 2, axis + (receding + height) / 2
    edge = x + thickness
    for number in range(stage.maps):
        left = x + number * thickness / (stage.maps - 1)
        corners = [(left, top), (left + receding, top - receding), (left + receding, bottom - receding), (left, bottom)]
        canvas.polygon(corners, lighter(colour, 0.6))
    if stage.maps:
        return
    canvas.polygon([(x, top), (edge, top), (edge, bottom), (x, bottom)], lighter(colour, 0.2))
    if receding:
        back = edge + receding
        canvas.polygon([(x, top), (x + receding, top - receding), (back, top - receding), (edge, top)], colour)
        canvas.polygon(
            [(edge, top), (back, top - receding), (back, bottom - receding), (edge, bottom)], lighter(colour, 0.6)
        )


def _draw_step(
    canvas: Canvas, before: Stage, x_before: float, after: Stage, x_after: float, axis: float, spread: float
) -> None:
    """Draw the arrows between two stages, with the step's text above them and its kernel at their start."""
    sources, targets = _offsets(before, spread), _offsets(after, spread)
    is_apart = len(sources) == len(targets) == 2 and not after.sees_all
    for source in sources:
        _draw_kernel(canvas, before, after, (_side(before, x_before), axis + source))
    for source, target in zip(sources, targets, strict=True) if is_apart else product(sources, targets):
        canvas.arrow([(_side(before, x_before), axis + source), (x_after, axis + target)])
    gap_start = x_before + _extent(before)
    _write_step(canvas, after, (gap_start + x_after) / 2, axis + min(*sources, *targets))


def _side(stage: Stage, x: float) -> float:
    """Return the middle of the right side of a box that begins at `x`."""
    return x + stage.box.thickness + OBLIQUE * stage.box.width / 2


def _draw_kernel(canvas: Canvas, before: Stage, after: Stage, middle: Point) -> None:
    """Outline the next layer's kernel on the right side of a volume, to scale."""
    if not after.kernel or len(before.shape) != 3:
        return
    _, rows, columns = before.shape
    height = before.box.height * min(after.kernel[0], rows) / rows
    width = OBLIQUE * before.box.width * min(after.kernel[1], columns) / columns
    left, right = middle[0] - width / 2, middle[0] + width / 2
    upper, lower = middle[1] - height / 2, middle[1] + height / 2
    corners = [(left, upper + width / 2), (right, upper - width / 2), (right, lower - width / 2)]
    canvas.polygon([*corners, (left, lower + width / 2)], lighter(COLOURS[before.kind][0], 0.85))


def _write_step(canvas: Canvas, stage: Stage, middle: float, axis: float) -> None:
    y = axis - 0.6 * STEP_SIZE - (len(stage.step) - 1) * LINE * STEP_SIZE
    for line in stage.step:
        canvas.text(middle, y, line, STEP_SIZE, anchor="middle")
        y += LINE * STEP_SIZE


def _draw_turn(
    canvas: Canvas, before: Stage, leaving: Sequence[Point], after: Stage, x_after: float, axis: float
) -> None:
    """Draw the arrow from the end of the row above to the beginning of this one."""
    _draw_kernel(canvas, before, after, leaving[0])
    canvas.arrow([*leaving, (MARGIN, axis), (x_after, axis)])
    _write_step(canvas, after, (MARGIN + x_after) / 2, axis)


def _caption(stages: Sequence[Stage]) -> str:
    notes = {line for stage in stages for line in stage.step}
    towers = [_TOWERS] if any(stage.has_towers for stage in stages) else []
    maps = [_MAPS] if any(stage.maps for stage in stages) else []
    return " ".join([_SCALE, *maps, *towers, *(text for note, text in _EXPLANATIONS.items() if note in notes)])
