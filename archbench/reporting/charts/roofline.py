"""The roofline (Williams, Waterman, Patterson 2009): the highest rate of each layer by its FLOPs per byte moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import altair as alt

from archbench.reporting.charts.axes import log_axis, log_count_axis, log_domain
from archbench.reporting.charts.ceilings import ceiling_boxes, ceiling_lines, ridge_regions
from archbench.reporting.charts.label_placement import Label, label_fields, label_marks, leader_lines
from archbench.reporting.charts.layer_types import category_colour, category_of, category_shape
from archbench.reporting.charts.plane import Plane, Scale
from archbench.reporting.charts.theme import WIDTH, layered, titled, values

if TYPE_CHECKING:
    from archbench.analyze.performance.estimate import RooflineRow
    from archbench.hardware.device import Device
    from archbench.reporting.charts.theme import Chart

_HEIGHT = 400
_LARGEST = 900.0  # square pixels: the mark of a layer that takes all the time
_SMALLEST = 40.0
_MOST_LABELS = 8
_LEAST_SHARE = 0.01  # of the time: a layer with less has no label
_BOUNDS = {"memory": "memory", "compute": "arithmetic", "launch": "launches", "communication": "communication"}


def roofline_chart(
    rows: Sequence[RooflineRow],
    device: Device,
    dtype: str,
    *,
    title: str,
    setting: str = "",
    width: int = WIDTH,
    height: int | None = None,
    notes: Sequence[str] = (),
) -> Chart:
    """Return the layers of one run under the ceilings of a device, those with most of the time labelled.

    `dtype` is that of matrix products, by the device's names of peaks; other arithmetic is under the peak of fp32,
    which is drawn as well. Rows without arithmetic have no place on logarithmic axes and are left out.
    """
    shown = sorted((row for row in rows if _computes(row)), key=lambda row: -row.time_s)
    ridge, peak = device.ridge(dtype), device.peak(dtype)
    intensities = log_domain([*(row.intensity or ridge for row in shown), ridge])
    rates = log_domain([*(row.flop_per_s for row in shown), peak])
    plane = Plane(
        x=Scale(intensities, log_axis("Arithmetic intensity (FLOP per byte moved)", *intensities), is_log=True),
        y=Scale(rates, log_count_axis("Rate (FLOP/s)", *rates), is_log=True),
        width=width,
        height=height or _HEIGHT,
    )
    roofs = {name: device.peak(name) for name in dict.fromkeys((dtype, "fp32"))}
    bandwidth = device.bandwidth_bytes_per_s
    points = _points(_records(shown, roofs, bandwidth, plane), plane)
    chart = layered(ridge_regions(ridge, plane), *ceiling_lines(roofs, bandwidth, plane), *points)
    subtitle = (*_subtitle(rows, f"{device.title}, {setting or dtype}"), *notes)
    heading = f"{title} on {device.title}: {_finding(rows)}"
    return titled(chart.properties(width=plane.width, height=plane.height), heading, subtitle, width)


def _finding(rows: Sequence[RooflineRow]) -> str:
    """Return what bounds the layers for the largest part of the time."""
    shares: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        shares[row.bound] += row.share
    bound, share = max(shares.items(), key=lambda each: each[1])
    return f"{share:.0%} of the time bound by {_BOUNDS[bound]}"


def _subtitle(rows: Sequence[RooflineRow], run: str) -> list[str]:
    """Return the conditions, the meaning of marks, and how many layers have no place."""
    sentences = [f"Predicted, not measured: {run}. Area and number: part of the time."]
    left_out = [row for row in rows if row.time_s and not _computes(row)]
    if left_out:
        verb = "is" if len(left_out) == 1 else "are"
        share = sum(row.share for row in left_out)
        sentences.append(
            f"{len(left_out)} without arithmetic {verb} left out, {share:.0%} of the time: they move bytes."
        )
    return sentences


def _computes(row: RooflineRow) -> bool:
    return bool(row.flops and row.intensity)


def _records(
    rows: Sequence[RooflineRow], roofs: Mapping[str, float], bandwidth: float, plane: Plane
) -> list[dict[str, Any]]:
    """Return a record per layer, the slowest first, with its label."""
    labels = []
    for place, row in enumerate(rows):
        assert row.intensity is not None, "rows without an intensity are left out"
        area = _SMALLEST + (_LARGEST - _SMALLEST) * row.share
        is_named = place < _MOST_LABELS and (row.share >= _LEAST_SHARE or not place)
        text = f"{row.name} {row.share:.0%}" if is_named else ""
        labels.append(Label(*plane.place(row.intensity, row.flop_per_s), area, text))
    fields = label_fields(plane, labels, obstacles=list(ceiling_boxes(roofs, bandwidth, plane)), show_all=True)
    return [{**asdict(row), "category": category_of(row.type), **own} for row, own in zip(rows, fields, strict=True)]


def _points(records: Sequence[dict[str, Any]], plane: Plane) -> tuple[alt.Chart, ...]:
    """Return leader lines, the marks of the layers, and their labels."""
    categories = {record["category"] for record in records}
    base = alt.Chart(values(records)).encode(x=plane.across("intensity"), y=plane.up("flop_per_s"))
    marks = base.mark_point(filled=True, opacity=0.85).encode(
        color=category_colour(categories),
        shape=category_shape(categories),
        size=alt.Size("share:Q", scale=alt.Scale(domain=[0, 1], range=[_SMALLEST, _LARGEST]), legend=None),
        tooltip=[
            alt.Tooltip("name:N", title="Layer"),
            alt.Tooltip("type:N", title="Type"),
            alt.Tooltip("intensity:Q", title="FLOP per byte", format=",.3~r"),
            alt.Tooltip("flop_per_s:Q", title="FLOP/s", format=".4s"),
            alt.Tooltip("time_s:Q", title="Time (s)", format=".3~e"),
            alt.Tooltip("share:Q", title="Part of the time", format=".1%"),
            alt.Tooltip("bound:N", title="Bound by"),
        ],
    )
    return leader_lines(base), marks, label_marks(base)
