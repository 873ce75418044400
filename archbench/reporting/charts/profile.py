"""A measured step as a timeline of its layers, and their measured rates under the roofline beside predicted ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import altair as alt

from archbench.analyze.performance.layer_times import GAPS
from archbench.reporting.charts.axes import log_axis, log_count_axis, log_domain, time_axis
from archbench.reporting.charts.ceilings import ceiling_boxes, ceiling_lines, ridge_regions
from archbench.reporting.charts.label_placement import Label, label_fields, label_marks, leader_lines
from archbench.reporting.charts.layer_types import category_colour, category_of, category_shape
from archbench.reporting.charts.plane import Plane, Scale
from archbench.reporting.charts.theme import layered, titled, values
from archbench.reporting.drawings.canvas import text_width
from archbench.units import format_percent, format_time

if TYPE_CHECKING:
    from archbench.analyze.performance.layer_times import ProfileRow
    from archbench.hardware.device import Device
    from archbench.reporting.charts.theme import Chart

_WIDTH, _HEIGHT = 760, 360
_LANE = 46  # pixels
_NAME = 11
_MOST_LABELS = 8
_AREA = 70.0
_LANES = ("measured", "roofline")


def profile_chart(
    rows: Sequence[ProfileRow],
    ceilings: tuple[Device, str] | None,
    *,
    title: str,
    subject: str,
    width: int = _WIDTH,
    height: int = _HEIGHT,
    notes: Sequence[str] = (),
) -> Chart:
    """Return a step's layers end to end, with the roofline's times below them, and the roofline with measured rates.

    `ceilings` are the device and the dtype of its products; None leaves out the roofline. `height` is the height of the
    roofline in pixels.
    """
    pieces = list(timeline(rows))
    panels: list[Chart] = [_timeline_panel(pieces, width)]
    placed = [row for row in rows if row.flops and row.intensity and row.flop_per_s and row.predicted_s]
    if ceilings is not None and placed:
        panels.append(_roofline_panel(placed, *ceilings, width, height))
    order = "Medians, end to end in the order of execution; gaps are together at the end."
    return titled(alt.vconcat(*panels, spacing=28), f"{title}: {_finding(rows)}", [subject, order, *notes], width)


def timeline(rows: Sequence[ProfileRow]) -> Iterator[dict[str, Any]]:
    """Yield the pieces of a step by lane and phase: forward, in training loss, backward and update, then gaps."""
    measured, predicted = 0.0, 0.0
    for row, phase, time_s in _pieces(rows):
        if time_s > 0:
            yield _piece(row, "measured", phase, measured, time_s)
            measured += time_s
    for row in rows:
        if row.predicted_s:
            yield _piece(
                row, "roofline", "both passes" if row.forward_s is not None else "forward", predicted, row.predicted_s
            )
            predicted += row.predicted_s


def _pieces(rows: Sequence[ProfileRow]) -> Iterator[tuple[ProfileRow, str, float]]:
    """Yield each row's part of each phase; the backward pass goes through the layers in reverse."""
    gaps = [row for row in rows if row.index is None and row.name == GAPS]
    update = [row for row in rows if row.index is None and row.name == "update"]
    others = [row for row in rows if row not in gaps and row not in update]
    yield from ((row, "forward", row.time_s if row.forward_s is None else row.forward_s) for row in others)
    yield from ((row, "backward", row.backward_s) for row in reversed(others) if row.backward_s is not None)
    yield from ((row, "update", row.time_s) for row in update)
    yield from ((row, "gaps", row.time_s) for row in gaps)


def _piece(row: ProfileRow, lane: str, phase: str, start_s: float, time_s: float) -> dict[str, Any]:
    return {
        "lane": lane,
        "layer": row.name,
        "type": row.type,
        "category": category_of(row.type),
        "phase": phase,
        "start_s": start_s,
        "end_s": start_s + time_s,
        "text": format_time(time_s),
    }


def _finding(rows: Sequence[ProfileRow]) -> str:
    longest = max(rows, key=lambda row: row.time_s)
    return f"{longest.name} takes {format_percent(longest.share)} of a step"


def _timeline_panel(pieces: Sequence[dict[str, Any]], width: int) -> alt.LayerChart:
    lanes = [lane for lane in _LANES if any(piece["lane"] == lane for piece in pieces)]
    end_s = max(piece["end_s"] for piece in pieces)
    layers = [piece for piece in pieces if piece["phase"] != "gaps"]
    x = alt.X("start_s:Q", scale=alt.Scale(domain=[0, end_s], nice=False), axis=time_axis("Time in a step", grid=False))
    y = alt.Y("lane:N", sort=lanes, axis=alt.Axis(title=None, ticks=False, domain=False))
    tooltip = [
        alt.Tooltip("layer:N", title="Layer"),
        alt.Tooltip("type:N", title="Type"),
        alt.Tooltip("phase:N", title="Phase"),
        alt.Tooltip("text:N", title="Time"),
    ]
    colour = category_colour({piece["category"] for piece in layers}, legend=alt.Legend(orient="bottom"))
    bars = (
        alt.Chart(values(layers))
        .mark_bar(height={"band": 0.7}, style="outline", opacity=0.65)
        .encode(x=x, x2="end_s:Q", y=y, color=colour, tooltip=tooltip)
    )
    parts: list[alt.Chart] = [bars]
    if len(layers) < len(pieces):
        gaps = [piece for piece in pieces if piece["phase"] == "gaps"]
        blank = alt.Chart(values(gaps)).mark_bar(height={"band": 0.7}, color="#7f7f7f", opacity=0.25)
        parts.append(blank.encode(x=x, x2="end_s:Q", y=y, tooltip=tooltip))
    named = [
        {**piece, "middle_s": (piece["start_s"] + piece["end_s"]) / 2}
        for piece in pieces
        if (piece["end_s"] - piece["start_s"]) / end_s * width > text_width(piece["layer"], _NAME)
    ]
    parts.append(
        alt.Chart(values(named))
        .mark_text(fontSize=_NAME, style="label")
        .encode(x=alt.X("middle_s:Q"), y=y, text="layer:N")
    )
    parts += _phase_names(pieces, lanes, end_s, width)
    return layered(*parts).properties(width=width, height=_LANE * len(lanes))


def _phase_names(
    pieces: Sequence[dict[str, Any]], lanes: Sequence[str], end_s: float, width: int
) -> Iterator[alt.Chart]:
    """Yield the names of the phases above their first piece, of training only: a forward pass has one."""
    spans: dict[str, list[float]] = {}
    for piece in pieces:
        if piece["lane"] == "measured":
            spans.setdefault(piece["phase"], [piece["start_s"], 0.0])[1] = piece["end_s"]
    names = [
        {"phase": f"{phase} {format_time(end - start)}", "start_s": start, "lane": lanes[0]}
        for phase, (start, end) in spans.items()
        if (end - start) / end_s * width > text_width(f"{phase} {format_time(end - start)}", _NAME)
    ]
    if names:
        yield (
            alt.Chart(values(names))
            .mark_text(align="left", baseline="bottom", dy=-_LANE * 0.37, style="note", fontSize=_NAME)
            .encode(x=alt.X("start_s:Q"), y=alt.Y("lane:N", sort=list(lanes)), text="phase:N")
        )


def _roofline_panel(rows: Sequence[ProfileRow], device: Device, dtype: str, width: int, height: int) -> alt.LayerChart:
    """Return the layers under the ceilings: a filled mark measured, a hollow one predicted, joined by a line."""
    rows = sorted(rows, key=lambda row: -row.time_s)
    predicted = [(row.flops or 0) / (row.predicted_s or 1.0) for row in rows]
    ridge, bandwidth = device.ridge(dtype), device.bandwidth_bytes_per_s
    intensities = log_domain([*(row.intensity or ridge for row in rows), ridge])
    rates = log_domain([*(row.flop_per_s or 1.0 for row in rows), *predicted, device.peak(dtype)])
    plane = Plane(
        x=Scale(intensities, log_axis("Arithmetic intensity (FLOP per byte moved)", *intensities), is_log=True),
        y=Scale(rates, log_count_axis("Rate (FLOP/s)", *rates), is_log=True),
        width=width,
        height=height,
    )
    roofs = {name: device.peak(name) for name in dict.fromkeys((dtype, "fp32"))}
    labels = [
        Label(
            *plane.place(row.intensity or ridge, row.flop_per_s or 1.0), _AREA, row.name if place < _MOST_LABELS else ""
        )
        for place, row in enumerate(rows)
    ]
    boxes = list(ceiling_boxes(roofs, bandwidth, plane))
    records = [
        {
            "layer": row.name,
            "category": category_of(row.type),
            "intensity": row.intensity,
            "flop_per_s": row.flop_per_s,
            "predicted_flop_per_s": rate,
            "ratio": row.ratio,
            "share": row.share,
            **fields,
        }
        for row, rate, fields in zip(rows, predicted, label_fields(plane, labels, obstacles=boxes), strict=True)
    ]
    chart = layered(ridge_regions(ridge, plane), *ceiling_lines(roofs, bandwidth, plane), *_points(records, plane))
    heading = alt.TitleParams(
        f"Under the ceilings of {device.title}: filled measured, hollow predicted", fontSize=13, anchor="start"
    )
    return chart.properties(width=width, height=height, title=heading)


def _points(records: Sequence[dict[str, Any]], plane: Plane) -> tuple[alt.Chart, ...]:
    categories = {record["category"] for record in records}
    base: alt.Chart = alt.Chart(values(records)).encode(x=plane.across("intensity"), y=plane.up("flop_per_s"))
    legend = alt.Legend(orient="bottom")
    colour, shape = category_colour(categories, legend=legend), category_shape(categories, legend=legend)
    tooltip = [
        alt.Tooltip("layer:N", title="Layer"),
        alt.Tooltip("flop_per_s:Q", title="Measured FLOP/s", format=".4s"),
        alt.Tooltip("predicted_flop_per_s:Q", title="Predicted FLOP/s", format=".4s"),
        alt.Tooltip("ratio:Q", title="Measured over predicted time", format=".3~g"),
        alt.Tooltip("share:Q", title="Part of the time", format=".1%"),
    ]
    hollow: alt.Chart = base.encode(y=plane.up("predicted_flop_per_s"), color=colour, shape=shape, tooltip=tooltip)
    return (
        base.mark_rule(style="reference", strokeWidth=0.8, aria=False).encode(y2="predicted_flop_per_s:Q"),
        hollow.mark_point(filled=False, size=_AREA, opacity=0.9),
        leader_lines(base),
        base.mark_point(filled=True, size=_AREA, opacity=0.9).encode(color=colour, shape=shape, tooltip=tooltip),
        label_marks(base),
    )
