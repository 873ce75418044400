"""The roofline (Williams, Waterman, Patterson 2009): the highest rate of each layer by its FLOPs per byte moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from math import atan2, degrees, sqrt
from typing import TYPE_CHECKING, Any

import altair as alt

from archbench.reporting.charts.axes import log_axis, log_count_axis, log_domain
from archbench.reporting.charts.label_placement import LABEL_SIZE, Box, Label, label_fields, label_marks, leader_lines
from archbench.reporting.charts.layer_types import category_colour, category_of, category_shape
from archbench.reporting.charts.plane import Plane, Scale
from archbench.reporting.charts.theme import WIDTH, layered, titled, values
from archbench.reporting.drawings.canvas import text_width
from archbench.units import format_rate

if TYPE_CHECKING:
    from archbench.analyze.performance.estimate import RooflineRow
    from archbench.hardware.device import Device
    from archbench.reporting.charts.theme import Chart

_HEIGHT = 400
_LARGEST = 900.0  # square pixels: the mark of a layer that takes all the time
_SMALLEST = 40.0
_MOST_LABELS = 8
_LEAST_SHARE = 0.01  # of the time: a layer with less has no label
_SLOPE_PIECES = 60
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
    chart = layered(_regions(ridge, plane), *_ceilings(roofs, bandwidth, plane), *points)
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
    fields = label_fields(plane, labels, obstacles=list(_obstacles(roofs, bandwidth, plane)), show_all=True)
    return [{**asdict(row), "category": category_of(row.type), **own} for row, own in zip(rows, fields, strict=True)]


def _regions(ridge: float, plane: Plane) -> alt.LayerChart:
    """Return the sides of the ridge: to its left memory bandwidth is the lower ceiling, to its right arithmetic."""
    (low, high), bottom = plane.x.domain, plane.y.domain[0]
    ends = {"memory-bound": (low, ridge), "compute-bound": (ridge, high)}
    room = {name: plane.place(end, 1.0)[0] - plane.place(start, 1.0)[0] for name, (start, end) in ends.items()}
    sides = [
        {"start": start, "end": end, "middle": sqrt(start * end), "bottom": bottom, "label": name}
        for name, (start, end) in ends.items()
        if room[name] > text_width(name, LABEL_SIZE)
    ]
    shade = alt.Chart(values([{"start": low, "end": ridge}])).mark_rect(color="#7f7f7f", opacity=0.1, aria=False)
    names = alt.Chart(values(sides)).mark_text(baseline="bottom", dy=-5, style="note")
    return layered(
        shade.encode(x=plane.across("start"), x2="end:Q", y=alt.value(0), y2=alt.value(plane.height)),
        names.encode(x=plane.across("middle"), y=plane.up("bottom"), text="label:N"),
    )


def _obstacles(roofs: Mapping[str, float], bandwidth: float, plane: Plane) -> Iterator[Box]:
    """Yield the room of the ceilings and of their labels."""
    for name, peak in roofs.items():
        left, y = plane.place(peak / bandwidth, peak)
        yield left, y - 3, plane.width, y + 3
        yield plane.width - text_width(_peak_text(name, peak), LABEL_SIZE), y - 20, plane.width, y
    start, end = _slope(max(roofs.values()), bandwidth, plane)
    for i in range(_SLOPE_PIECES + 1):
        intensity = start * (end / start) ** (i / _SLOPE_PIECES)
        x, y = plane.place(intensity, intensity * bandwidth)
        yield x - 5, y - 5, x + 5, y + 5


def _slope(peak: float, bandwidth: float, plane: Plane) -> tuple[float, float]:
    """Return the intensities between which memory bandwidth is the lower ceiling, inside the plane."""
    return max(plane.x.domain[0], plane.y.domain[0] / bandwidth), peak / bandwidth


def _slope_degrees(bandwidth: float, plane: Plane) -> float:
    """Return the angle at which the ceiling of the bandwidth rises."""
    low, high = plane.x.domain
    (left, lower), (right, upper) = (plane.place(intensity, intensity * bandwidth) for intensity in (low, high))
    return degrees(atan2(lower - upper, right - left))


def _peak_text(name: str, peak: float) -> str:
    return f"peak {name}: {format_rate(peak).removesuffix('B/s')}FLOP/s"


def _ceilings(roofs: Mapping[str, float], bandwidth: float, plane: Plane) -> tuple[alt.Chart, alt.Chart, alt.Chart]:
    """Return the roofs as lines, the labels of the peaks, and that of the bandwidth."""
    place = {"x": plane.across("intensity"), "y": plane.up("flop_per_s")}
    right = plane.x.domain[1]
    lines = [
        {"ceiling": name, "intensity": intensity, "flop_per_s": min(peak, intensity * bandwidth)}
        for name, peak in roofs.items()
        for intensity in (*_slope(peak, bandwidth, plane), right)
    ]
    dashes = alt.Scale(domain=list(roofs), range=[[1, 0], [5, 3]][: len(roofs)])
    ceilings = alt.Chart(values(lines)).mark_line(style="reference", strokeWidth=2)
    peaks = [{"label": _peak_text(name, peak), "intensity": right, "flop_per_s": peak} for name, peak in roofs.items()]
    start, end = _slope(min(roofs.values()), bandwidth, plane)
    middle = sqrt(start * end)
    memory = [{"label": f"memory: {format_rate(bandwidth)}", "intensity": middle, "flop_per_s": middle * bandwidth}]
    angle = 360 - _slope_degrees(bandwidth, plane)
    return (
        ceilings.encode(**place, detail="ceiling:N", strokeDash=alt.StrokeDash("ceiling:N", legend=None, scale=dashes)),
        alt.Chart(values(peaks))
        .mark_text(align="right", baseline="bottom", dy=-5, style="note")
        .encode(**place, text="label:N"),
        alt.Chart(values(memory))
        .mark_text(angle=angle, baseline="bottom", dy=-6, style="note")
        .encode(**place, text="label:N"),
    )


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
