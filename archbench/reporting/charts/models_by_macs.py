"""Models as marks over their MACs, with the area for their parameters: the base of both accuracy charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from typing import Any

import altair as alt

from archbench.reporting.charts.axes import COUNT_LABELS, log_count_axis, log_domain
from archbench.reporting.charts.label_placement import Box, Label, label_fields, label_marks, leader_lines
from archbench.reporting.charts.plane import Plane, Scale
from archbench.reporting.charts.theme import COLOURS, cycled, layered, values

HEIGHT = 400
_LARGEST = 1100.0  # square pixels: the mark of the model with most parameters
_DOT = 25.0  # square pixels: a dot in the middle of every mark keeps small models visible


@dataclass(frozen=True, slots=True)
class MarkStyle:
    """The field on the vertical axis, and the shape and colour of the marks; with `models`, a colour each."""

    field: str
    shape: str
    colour: str
    models: Sequence[str] = ()

    def colours(self) -> dict[str, Any]:
        """Return the encodings of colour, which has no legend: names stand beside the marks."""
        if not self.models:
            return {}
        scale = alt.Scale(domain=list(self.models), range=cycled(COLOURS, len(self.models)))
        return {
            "fill": alt.Fill("model:N", scale=scale, legend=None),
            "stroke": alt.Stroke("model:N", scale=scale, legend=None),
        }


def macs_plane(records: Sequence[dict[str, Any]], y: Scale, width: int, height: int | None) -> Plane:
    """Return the plane of records, with logarithmic MACs to the right."""
    macs = log_domain([_macs(record) for record in records], room=0.12, decades=1)
    axis = log_count_axis("Computation of one image (MACs)", *macs)
    return Plane(Scale(macs, axis, is_log=True), y, width, height or HEIGHT)


def place_model(plane: Plane, record: dict[str, Any], field: str) -> tuple[float, float]:
    """Return the pixels of a model; one without MACs stands at 1, since 0 has no place on a logarithmic axis."""
    return plane.place(_macs(record), record[field])


def _macs(record: dict[str, Any]) -> int:
    return max(1, int(record["macs"]))


def model_marks(
    records: Sequence[dict[str, Any]],
    plane: Plane,
    style: MarkStyle,
    tooltip: Sequence[alt.Tooltip],
    obstacles: Sequence[Box] = (),
) -> tuple[alt.LayerChart, alt.Chart]:
    """Return the marks of models with their leader lines, and the labels; `tooltip` has the chart's own fields."""
    most = max((record["params"] for record in records), default=1) or 1
    labels = [
        Label(
            *place_model(plane, record, style.field),
            area=max(_DOT, _LARGEST * record["params"] / most),
            text=record["label"],
        )
        for record in records
    ]
    fields = label_fields(plane, labels, obstacles=obstacles, show_all=True)
    base = alt.Chart(values([{**record, **own} for record, own in zip(records, fields, strict=True)])).encode(
        x=plane.across("macs"),
        y=plane.up(style.field),
        tooltip=[
            alt.Tooltip("model:N", title="Model"),
            *tooltip,
            alt.Tooltip("macs:Q", title="MACs", format=","),
            alt.Tooltip("params:Q", title="Parameters", format=","),
            alt.Tooltip("origin:N", title="From"),
        ],
    )
    legend = _sizes(most, style) if len(records) > 1 else None
    size = alt.Size("params:Q", scale=alt.Scale(domain=[0, most], range=[0, _LARGEST]), legend=legend)
    # The outline is opaque: an area alone would be too faint on a dark page.
    areas = base.mark_point(
        filled=True, fillOpacity=0.55, stroke=style.colour, strokeWidth=1.5, color=style.colour, shape=style.shape
    ).encode(size=size, **style.colours())
    dots = base.mark_point(filled=True, opacity=1, size=_DOT, style="label")
    return layered(leader_lines(base), areas, dots), label_marks(base)


def area_sentence(records: Sequence[Any]) -> str:
    """Return what the area of marks is for, where there are several to compare."""
    return " Area is parameters." if len(records) > 1 else ""


def _sizes(most: int, style: MarkStyle) -> alt.Legend:
    power = 10 ** int(log10(most))
    top = max(digit * power for digit in (1, 2, 5) if digit * power <= most)
    return alt.Legend(
        title="Parameters",
        values=[top / 10, top / 2, top] if most >= 10 else [1],
        labelExpr=COUNT_LABELS,
        symbolFillColor="#7f7f7f" if style.models else style.colour,
        symbolStrokeWidth=0,
        symbolType=style.shape,
    )
