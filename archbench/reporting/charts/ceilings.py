"""What limits layers under the roofline: the lines of peaks and bandwidth, their labels, and the regions beside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import atan2, degrees, sqrt

import altair as alt

from archbench.reporting.charts.label_placement import LABEL_SIZE, Box
from archbench.reporting.charts.plane import Plane
from archbench.reporting.charts.theme import layered, values
from archbench.reporting.drawings.canvas import text_width
from archbench.units import format_rate

_SLOPE_PIECES = 60


def ridge_regions(ridge: float, plane: Plane) -> alt.LayerChart:
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


def ceiling_boxes(roofs: Mapping[str, float], bandwidth: float, plane: Plane) -> Iterator[Box]:
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


def ceiling_lines(roofs: Mapping[str, float], bandwidth: float, plane: Plane) -> tuple[alt.Chart, alt.Chart, alt.Chart]:
    """Return the roofs as lines, the labels of the peaks, and that of the bandwidth."""
    place = {"x": plane.across("intensity"), "y": plane.up("flop_per_s")}
    right = plane.x.domain[1]
    lines = [
        {"ceiling": name, "intensity": intensity, "flop_per_s": min(peak, intensity * bandwidth)}
        for name, peak in roofs.items()
        for intensity in (*_slope(peak, bandwidth, plane), right)
    ]
    dashes = alt.Scale(domain=list(roofs), range=[[1, 0], [5, 3]][: len(roofs)])
    roof = alt.Chart(values(lines)).mark_line(style="reference", strokeWidth=2)
    peaks = [{"label": _peak_text(name, peak), "intensity": right, "flop_per_s": peak} for name, peak in roofs.items()]
    start, end = _slope(min(roofs.values()), bandwidth, plane)
    middle = sqrt(start * end)
    memory = [{"label": f"memory: {format_rate(bandwidth)}", "intensity": middle, "flop_per_s": middle * bandwidth}]
    angle = 360 - _slope_degrees(bandwidth, plane)
    return (
        roof.encode(**place, detail="ceiling:N", strokeDash=alt.StrokeDash("ceiling:N", legend=None, scale=dashes)),
        alt.Chart(values(peaks))
        .mark_text(align="right", baseline="bottom", dy=-5, style="note")
        .encode(**place, text="label:N"),
        alt.Chart(values(memory))
        .mark_text(angle=angle, baseline="bottom", dy=-6, style="note")
        .encode(**place, text="label:N"),
    )
