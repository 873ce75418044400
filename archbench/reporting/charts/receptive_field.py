"""The receptive field of one unit, growing on the input layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import altair as alt

from archbench.reporting.charts.theme import layered, titled, values
from archbench.reporting.drawings.canvas import text_width
from archbench.units import format_dimensions, format_step

if TYPE_CHECKING:
    from archbench.analyze.receptive_growth import SeenUnits
    from archbench.reporting.charts.theme import Chart

_WIDTH, _SIDE = 800, 380  # pixels of the whole, and of the square that shows the input
_GAP = 40
_ROW = 20
_MOST_CELLS = 48  # inputs side by side that are drawn one by one
_FAN_CELLS, _FAN_LAYERS = 33, 8  # the most for a drawing of the units of each layer
_FEW_UNITS = 8  # so many units of a layer have lines of their own
_LEAST_TEXT = 13  # pixels between two edges for the size to be written there


def receptive_field_chart(
    seen: Sequence[SeenUnits],
    *,
    title: str,
    input_size: tuple[int, ...],
    subject: Sequence[str],
    width: int = _WIDTH,
    height: int = _SIDE,
    notes: Sequence[str] = (),
) -> Chart:
    """Return the nested fields to scale on the input, and beside them the units of each layer or bars of their sizes.

    `seen` begins with the input and ends with the unit whose field it is; `input_size` is that of a map of the input.
    Of one dimension or three, the last ones are drawn. `height` is the side of the input's square, in pixels.
    """
    squares = [_square(units, order) for order, units in enumerate(seen)]
    left = _input(squares, input_size, height)
    room = max(200, width - height - _GAP)
    is_small = squares[-1]["size_x"] <= _FAN_CELLS and len(seen) <= _FAN_LAYERS
    right = _fan(seen, room, height) if is_small else _sizes(squares, room, height)
    return titled(alt.hconcat(left, right, spacing=_GAP), title, [*subject, *notes], width)


def _square(units: SeenUnits, order: int) -> dict[str, Any]:
    """Return the field of the middle one of the units, by its edges; one dimension is one input high."""
    begin, size = units.begin(units.middle()), units.field.size
    x, y = float(begin[-1]), float(begin[-2]) if len(begin) > 1 else 0.0
    high = size[-2] if len(size) > 1 else 1
    return {
        "layer": units.name,
        "order": order,
        "size_x": size[-1],
        "size": format_dimensions(size),
        "stride": format_step(units.field.stride),
        "left": x,
        "right": x + size[-1],
        "upper": y,
        "lower": y + high,
    }


def _input(squares: Sequence[dict[str, Any]], input_size: tuple[int, ...], side: int) -> alt.LayerChart:
    """Return the nested fields on the input, on all of it or, for a small field, on the part around it."""
    last = squares[-1]
    wide, high = input_size[-1], input_size[-2] if len(input_size) > 1 else 1
    span = max(last["right"] - last["left"], last["lower"] - last["upper"])
    is_part = 3 * span < max(wide, high)
    view = 1.35 * span if is_part else 1.06 * max(wide, high, min(span, 1.6 * max(wide, high)))
    centre = (
        ((last["left"] + last["right"]) / 2, (last["upper"] + last["lower"]) / 2) if is_part else (wide / 2, high / 2)
    )
    x, y = (alt.Scale(domain=[c - view / 2, c + view / 2], nice=False) for c in centre)
    y.reverse = True
    fill = alt.Scale(domain=[0, len(squares) - 1], range=["#2166ac", "#deebf7"], interpolate="lab")
    rect = {"x": alt.X("left:Q", scale=x, axis=None), "x2": "right:Q", "y": alt.Y("upper:Q", scale=y, axis=None)}
    boxes = (
        alt.Chart(values(squares[::-1]))
        .mark_rect(clip=True, style="outline", strokeWidth=1)
        .encode(
            **rect,
            y2="lower:Q",
            color=alt.Color("order:Q", scale=fill, legend=None),
            tooltip=[
                alt.Tooltip("layer:N", title="Layer"),
                alt.Tooltip("size:N", title="Sees of the input"),
                alt.Tooltip("stride:N", title="Inputs between two units"),
            ],
        )
    )
    frame = alt.Chart(values([{"left": 0, "right": wide, "upper": 0, "lower": high}])).mark_rect(
        clip=True, filled=False, style="reference", strokeWidth=1.5
    )
    parts = [boxes, frame.encode(**rect, y2="lower:Q")]
    if view <= _MOST_CELLS:
        parts[1:1] = _cells(centre, view, x, y)
    inside = [square for square in squares if square["upper"] >= centre[1] - view / 2]
    texts = _edge_texts(inside, side / view, len(squares))
    parts.append(
        alt.Chart(values(texts))
        .mark_text(baseline="top", dy=2, clip=True, fontSize=11)
        .encode(
            x=alt.X("middle:Q", scale=x),
            y=alt.Y("upper:Q", scale=y),
            text="size:N",
            color=alt.Color("ink:N", scale=None, legend=None),
        )
    )
    where = "a part of the input" if is_part else "the input"
    return layered(*parts).properties(
        width=side, height=side, title=alt.TitleParams(f"Fields on {where}", fontSize=13, anchor="start")
    )


def _cells(centre: tuple[float, float], view: float, x: alt.Scale, y: alt.Scale) -> Iterator[alt.Chart]:
    """Yield the lines between inputs."""
    for axis, middle in zip("xy", centre, strict=True):
        lines = [{"at": i} for i in range(int(middle - view / 2) - 1, int(middle + view / 2) + 2)]
        place = alt.X("at:Q", scale=x, axis=None) if axis == "x" else alt.Y("at:Q", scale=y, axis=None)
        yield (
            alt.Chart(values(lines)).mark_rule(style="reference", strokeWidth=0.4, clip=True, aria=False).encode(place)
        )


def _edge_texts(squares: Sequence[dict[str, Any]], pixels: float, layers: int) -> list[dict[str, Any]]:
    """Return the sizes to write along the upper edges, where the next smaller field leaves room."""
    texts = []
    for inner, square in zip([None, *squares], squares, strict=False):
        room = (square["lower"] - square["upper"]) if inner is None else inner["upper"] - square["upper"]
        if room * pixels >= _LEAST_TEXT and (square["right"] - square["left"]) * pixels >= text_width(
            square["size"], 11
        ):
            ink = "#ffffff" if square["order"] < layers / 2 else "#222222"
            middle = (square["left"] + square["right"]) / 2
            texts.append({"size": square["size"], "middle": middle, "upper": square["upper"], "ink": ink})
    return texts


def _sizes(squares: Sequence[dict[str, Any]], room: int, height: int) -> alt.LayerChart:
    """Return a bar per layer with the size of its field and the inputs between two units."""
    shown = [{**s, "text": f"{s['size']}, stride {s['stride']}"} for s in squares]
    names = max(text_width(square["layer"], 12) for square in squares)
    most = max(square["size_x"] for square in squares)
    y = alt.Y("layer:N", sort=None, axis=alt.Axis(title=None, ticks=False, domain=False, labelLimit=220))
    base = alt.Chart(values(shown)).encode(
        y=y, x=alt.X("size_x:Q", scale=alt.Scale(domain=[0, most * 1.9], nice=False), axis=None)
    )
    return layered(
        base.mark_bar(height={"band": 0.7}, color="#4292c6"),
        base.mark_text(align="left", dx=5, style="label").encode(text="text:N"),
    ).properties(
        width=max(120, room - int(min(names, 220))),
        height=max(height, 16 * len(squares)),
        title=alt.TitleParams("Size of the field by layer", fontSize=13, anchor="start"),
    )


def _fan(seen: Sequence[SeenUnits], room: int, height: int) -> alt.LayerChart:
    """Return the units of each layer along one line, the input below, with what the outer ones see."""
    cells: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    for order, units in enumerate(seen):
        places = [_place(units, number) for number in range(units.count[-1])]
        label = f"{units.name}: {units.count[-1]}"
        cells += [{"layer": units.name, "row": -order, "at": at, "label": label, "order": order} for at in places]
        if order:
            lines += _views(units, seen[order - 1], -order)
    ends = [cell["at"] for cell in cells]
    margin = int(max(text_width(cell["label"], 12) for cell in cells)) + 8
    room -= margin
    x = alt.Scale(domain=[min(ends) - 1.0, max(ends) + 1.0], range=[margin, margin + room], nice=False)
    y = alt.Scale(domain=[0.5, -len(seen) + 0.4], nice=False)
    names = {cell["row"]: cell["label"] for cell in cells}
    size = min(330.0, (0.8 * room / (max(ends) - min(ends) + 2)) ** 2)
    fill = alt.Scale(domain=[0, len(seen) - 1], range=["#2166ac", "#deebf7"], interpolate="lab")
    marks = (
        alt.Chart(values(cells))
        .mark_square(size=size, opacity=1, style="outline", aria=False)
        .encode(
            x=alt.X("at:Q", scale=x, axis=None),
            y=alt.Y("row:Q", scale=y, axis=None),
            color=alt.Color("order:Q", scale=fill, legend=None),
        )
    )
    rules = (
        alt.Chart(values(lines))
        .mark_rule(style="reference", strokeWidth=0.8, aria=False)
        .encode(x=alt.X("at:Q", scale=x, axis=None), x2="to:Q", y=alt.Y("row:Q", scale=y, axis=None), y2="below:Q")
    )
    texts = (
        alt.Chart(values([{"row": row, "label": label} for row, label in names.items()]))
        .mark_text(align="left", style="label")
        .encode(x=alt.value(0), y=alt.Y("row:Q", scale=y, axis=None), text="label:N")
    )
    return layered(rules, marks, texts).properties(
        width=margin + room,
        height=height,
        title=alt.TitleParams("Units in one row, by layer", fontSize=13, anchor="start"),
    )


def _views(units: SeenUnits, below: SeenUnits, row: int) -> Iterator[dict[str, Any]]:
    """Yield lines from units to the first and the last unit that each sees; of many units, only from the outer ones."""
    assert units.window is not None, "only the input has no window"
    reach = units.window.dilation[-1] * (units.window.kernel[-1] - 1)
    last = units.count[-1] - 1
    for i in range(units.count[-1]):
        start = i * units.window.stride[-1]  # the first unit below that this one sees, from the first that any sees
        ends = ([start] if i == 0 or last < _FEW_UNITS else []) + (
            [start + reach] if i == last or last < _FEW_UNITS else []
        )
        for end in ends:
            yield {"at": _place(units, i), "to": _place(below, end), "row": row, "below": row + 1}


def _place(units: SeenUnits, number: int) -> float:
    """Return the centre of one of the units on the input."""
    return float(units.field.centre[-1]) + (units.first[-1] + number) * units.field.stride[-1]
