"""Models beside each other: bars of their totals, and of their layers, on scales that all models share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import altair as alt

from archbench.reporting.charts.axes import bytes_axis, count_axis
from archbench.reporting.charts.layer_types import category_colour, category_of
from archbench.reporting.charts.layers import grouped
from archbench.reporting.charts.theme import layered, titled, values
from archbench.reporting.drawings.canvas import text_width
from archbench.units import format_bytes, format_count, format_ratio

if TYPE_CHECKING:
    from archbench.analyze.layers import LayerRow
    from archbench.reporting.charts.theme import Chart

_WIDTH = 780  # pixels of the three columns with the names of the models
_TOTAL_ROW, _LAYERS_ROW = 26, 84  # pixels
_GAP = 56  # for the axis of the next column
_NAME = 12
_ROOM = 1.9  # an axis of totals is this many times the longest bar, for the label at its end
_HEADROOM = 1.3  # and one of layers, for the name of the largest
_PEAK = "memory"  # has no kind of layer
_TEXT = {"params": format_count, "macs": format_count, "bytes": format_bytes}


@dataclass(frozen=True, slots=True)
class ModelLayers:
    """A model's layers, and its peak memory in bytes where that is known."""

    name: str
    rows: Sequence[LayerRow]
    peak_bytes: int | None


def comparison_chart(
    models: Sequence[ModelLayers],
    *,
    subject: str,
    width: int = _WIDTH,
    height: int | None = None,
    notes: Sequence[str] = (),
) -> Chart:
    """Return columns of bars: totals of each model, and below them each model's layers from first to last.

    A column has one scale for all models. Totals of parameters and MACs are divided by kind of layer; ratios are to the
    first model. More than 40 layers are grouped into modules. `height` is that of one model's layers, in pixels.
    """
    totals = [total for model in models for total in _totals(model)]
    bars = {model.name: _bars(model.rows) for model in models}
    kinds = {bar["category"] for bar in (*totals, *(bar for own in bars.values() for bar in own))} - {_PEAK}
    names = max(text_width(name, _NAME) for name in bars)
    column = max(120, int(width - names - 2 * _GAP) // 3)
    first = [
        _total_panel(totals, list(bars), field, kinds).properties(width=column, height=_TOTAL_ROW * len(bars))
        for field in _TEXT
    ]
    most = {field: max((bar[field] for own in bars.values() for bar in own), default=0) or 1 for field in _TEXT}
    longest = max(map(len, bars.values()))
    below = [
        _layer_panel(own, field, kinds, longest, most[field], column).properties(
            width=column, height=height or _LAYERS_ROW, title=_row_title(name if field == "params" else "")
        )
        for name, own in bars.items()
        for field in _TEXT
    ]
    chart = alt.concat(*first, *below, columns=len(_TEXT), spacing={"row": 14, "column": 20})
    scope = "Above totals, with the ratio to the first; below each layer, from first to last. A column has one scale."
    return titled(chart, finding(models), [subject, scope, *notes], width)


def finding(models: Sequence[ModelLayers]) -> str:
    """Return the message of the picture: the ratios of two models, or which of several is the largest."""
    sums = {field: {model.name: _sum(model, field) for model in models} for field in ("params", "macs")}
    words = {"params": "parameters", "macs": "MACs"}
    if len(models) == 2:
        a, b = models
        ratios = [
            f"{format_ratio(sums[field][b.name] / sums[field][a.name])} the {words[field]}"
            for field in sums
            if sums[field][a.name]
        ]
        return f"{b.name} against {a.name}: {', '.join(ratios)}" if ratios else f"{b.name} against {a.name}"
    leaders = {field: max(own, key=own.__getitem__) for field, own in sums.items()}
    parts = [
        f"{name} has the most {words[field]} ({format_count(sums[field][name])})" for field, name in leaders.items()
    ]
    if len(set(leaders.values())) == 1:
        parts[1] = f"and MACs ({format_count(sums['macs'][leaders['macs']])})"
        return " ".join(parts)
    return ", ".join(parts)


def _sum(model: ModelLayers, field: str) -> int:
    return sum(getattr(row, field) for row in model.rows)


def _totals(model: ModelLayers) -> list[dict[str, Any]]:
    """Return a record for each piece of a bar: by kind of layer, with its start and end; memory is in one piece."""
    records = []
    for field in ("params", "macs"):
        sums: defaultdict[str, int] = defaultdict(int)
        for row in model.rows:
            sums[category_of(row.type)] += getattr(row, field)
        end = 0
        for kind in sorted(filter(sums.get, sums), key=lambda kind: -sums[kind]):
            end += sums[kind]
            piece = {"category": kind, "value": sums[kind], "start": end - sums[kind], "end": end}
            records.append({"model": model.name, "field": field, **piece})
    peak = model.peak_bytes or 0
    return [
        *records,
        {"model": model.name, "field": "bytes", "category": _PEAK, "value": peak, "start": 0, "end": peak},
    ]


def _total_panel(totals: Sequence[dict[str, Any]], names: Sequence[str], field: str, kinds: set[str]) -> alt.LayerChart:
    own = [total for total in totals if total["field"] == field and total["value"]]
    ends = {name: max((total["end"] for total in own if total["model"] == name), default=0) for name in names}
    most = max(ends.values()) or 1
    title = {"params": "Parameters", "macs": "MACs", "bytes": "Peak memory"}[field]
    is_first = field == "params"
    y = alt.Y(
        "model:N",
        sort=list(names),
        scale=alt.Scale(domain=list(names)),
        axis=alt.Axis(title=None, labels=is_first, ticks=False, domain=False),
    )
    scale = alt.Scale(domain=[0, most * _ROOM], nice=False)
    base = alt.Chart(values(own), title=_row_title(title)).encode(y=y)
    tooltip = [alt.Tooltip("model:N", title="Model"), alt.Tooltip("value:Q", title=title, format=",")]
    bars = base.encode(
        x=alt.X("start:Q", scale=scale, axis=None),
        x2="end:Q",
        tooltip=tooltip if field == "bytes" else [*tooltip, alt.Tooltip("category:N", title="Kind of layer")],
    )
    # Memory has no kind of layer, so it is in the colour of reference lines.
    filled = (
        bars.mark_bar(height={"band": 0.62}, color="#8a8a8a")
        if field == "bytes"
        else bars.mark_bar(height={"band": 0.62}).encode(color=_colour(kinds))
    )
    base_value = ends[names[0]]
    labels = [
        {"model": name, "end": end, "label": _label(field, end, base_value, is_base=name == names[0])}
        for name, end in ends.items()
    ]
    written = (
        alt.Chart(values(labels))
        .mark_text(align="left", dx=5, style="label")
        .encode(y=y, x=alt.X("end:Q", scale=scale, axis=None), text="label:N")
    )
    return layered(filled, written)


def _label(field: str, value: int, base: int, *, is_base: bool) -> str:
    if not value:
        return "not known" if field == "bytes" else "0"
    return _TEXT[field](value) + ("" if is_base or not base else f" · {format_ratio(value / base)}")


def _bars(rows: Sequence[LayerRow]) -> list[dict[str, Any]]:
    """Return a record for each layer or module, in order."""
    counted = [row for row in rows if row.params or row.macs]
    return [
        {
            "layer": name,
            "category": category_of(max(members, key=lambda row: (row.macs, row.params)).type),
            "left": place,
            "right": place + 0.85,
            "params": sum(row.params for row in members),
            "macs": sum(row.macs for row in members),
            "bytes": sum(row.output_bytes for row in members),
        }
        for place, (name, members) in enumerate(grouped(counted).items())
    ]


def _layer_panel(
    bars: Sequence[dict[str, Any]], field: str, kinds: set[str], longest: int, most: int, width: float
) -> alt.LayerChart:
    title = {"params": "Parameters", "macs": "MACs", "bytes": "Output"}[field]
    axis = bytes_axis(title, most) if field == "bytes" else count_axis(title, tickCount=3)
    base = alt.Chart(values(bars)).encode(
        x=alt.X("left:Q", scale=alt.Scale(domain=[0, longest], nice=False), axis=None),
        y=alt.Y(f"{field}:Q", scale=alt.Scale(domain=[0, most * _HEADROOM], nice=False), axis=axis),
    )
    filled = base.mark_bar().encode(
        x2="right:Q",
        y2=alt.datum(0),
        color=_colour(kinds),
        tooltip=[
            alt.Tooltip("layer:N", title="Layer"),
            alt.Tooltip(f"{field}:Q", title="Bytes of outputs" if field == "bytes" else title, format=","),
        ],
    )
    largest = max(bars, key=lambda bar: bar[field], default=None)
    if largest is None or not largest[field]:
        return layered(filled)
    is_right = largest["left"] > longest / 2
    room = width * (largest["right"] if is_right else longest - largest["left"]) / longest
    name = alt.Chart(values([{**largest, "at": largest["right"] if is_right else largest["left"]}]))
    return layered(
        filled,
        name.mark_text(
            align="right" if is_right else "left", baseline="bottom", dy=-3, style="note", limit=room, dir="rtl"
        ).encode(x="at:Q", y=f"{field}:Q", text="layer:N"),
    )


def _colour(kinds: set[str]) -> alt.Color:
    return category_colour(kinds, legend=alt.Legend(orient="bottom"))


def _row_title(text: str) -> alt.TitleParams:
    return alt.TitleParams(text, fontSize=13, anchor="start")
