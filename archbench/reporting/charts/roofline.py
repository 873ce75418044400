"""The roofline (Williams, Waterman, Patterson 2009): how fast each layer can be, by its FLOPs per byte moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import atan2, degrees, log10, sqrt
from typing import TYPE_CHECKING, Any

from archbench.reporting.charts.axes import log_axis, log_count_axis, log_domain
from archbench.reporting.charts.label_placement import Box, Spot, places
from archbench.reporting.charts.layer_types import kind_colour, kind_of, kind_shape
from archbench.reporting.charts.theme import WIDTH, finished, layered, values
from archbench.reporting.drawings.canvas import text_width
from archbench.units import format_rate

if TYPE_CHECKING:
    import altair as alt

    from archbench.analyze.performance.estimate import RooflineRow
    from archbench.hardware.device import Device
    from archbench.reporting.charts.theme import Chart

_HEIGHT = 400
_LARGEST = 900.0  # square pixels: the mark of a layer that takes all the time
_SMALLEST = 40.0
_MOST_NAMES = 3  # of each kind of layer


@dataclass(frozen=True, slots=True)
class _Plane:
    """Logarithmic axes over a rectangle of pixels: FLOPs per byte to the right, FLOPs per second up."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: int
    height: int

    def place(self, intensity: float, rate: float) -> tuple[float, float]:
        """Return pixels from the upper left."""
        return self.width * _part(intensity, self.x), self.height * (1 - _part(rate, self.y))

    def slope_degrees(self) -> float:
        """Return by how much a line of one bandwidth rises."""
        across, up = (log10(high / low) for low, high in (self.x, self.y))
        return degrees(atan2(self.height / up, self.width / across))

    def axes(self) -> tuple[alt.X, alt.Y]:
        """Return both axes as all layers of the chart have them."""
        import altair as alt

        across = log_axis("Arithmetic intensity (FLOP per byte moved)", *self.x)
        up = log_count_axis("Rate (FLOP/s)", *self.y)
        x_scale, y_scale = (alt.Scale(type="log", domain=list(bounds), nice=False) for bounds in (self.x, self.y))
        return alt.X("intensity:Q", scale=x_scale, axis=across), alt.Y("flop_per_s:Q", scale=y_scale, axis=up)


def roofline_chart(
    rows: Sequence[RooflineRow],
    device: Device,
    dtype: str,
    *,
    title: str,
    width: int = WIDTH,
    height: int | None = None,
    notes: Sequence[str] = (),
) -> Chart:
    """Return the layers of one run under the ceilings of a device, the slowest of each kind by name.

    `dtype` is that of matrix products, by the device's names of peaks; all other arithmetic is under the peak of fp32,
    which is drawn too. Rows without arithmetic have no place on logarithmic axes and are left out.
    """
    shown = sorted((row for row in rows if _computes(row)), key=lambda row: -row.time_s)
    ridge, peak = device.ridge(dtype), device.peak(dtype)
    plane = _Plane(
        x=log_domain([*(row.intensity or ridge for row in shown), ridge]),
        y=log_domain([*(row.flop_per_s for row in shown), peak]),
        width=width,
        height=height or _HEIGHT,
    )
    roofs = {name: device.peak(name) for name in dict.fromkeys((dtype, "fp32"))}
    left_out = sum(1 for row in rows if row.time_s and not _computes(row))
    said = [f"Predicted, not measured: {device.title}, {dtype}. Area is a layer's part of the time.", *notes]
    if left_out:
        said.append(f"{left_out} without arithmetic {'is' if left_out == 1 else 'are'} left out: they only move bytes.")
    layers = (
        *_ceilings(roofs, device.bandwidth_bytes_per_s, plane),
        *_points(_records(shown, roofs, device.bandwidth_bytes_per_s, plane), plane),
    )
    chart = layered(*layers).properties(width=plane.width, height=plane.height)
    return finished(chart, f"Roofline of {title}", said, width)


def _computes(row: RooflineRow) -> bool:
    return bool(row.flops and row.intensity)


def _part(value: float, domain: tuple[float, float]) -> float:
    """Return where a value lies on a logarithmic axis, from 0 to 1."""
    return log10(value / domain[0]) / log10(domain[1] / domain[0])


def _records(
    rows: Sequence[RooflineRow], roofs: dict[str, float], bandwidth: float, plane: _Plane
) -> list[dict[str, Any]]:
    """Return a record a layer, the slowest first, with where its name stands."""
    spots = []
    named = Counter[str]()
    for row in rows:
        assert row.intensity is not None, "rows without are left out"
        area = _SMALLEST + (_LARGEST - _SMALLEST) * row.share
        named[kind_of(row.type)] += 1
        name = row.name if named[kind_of(row.type)] <= _MOST_NAMES else ""
        spots.append(Spot(*plane.place(row.intensity, row.flop_per_s), area, name))
    found = places(spots, plane.width, plane.height, obstacles=list(_obstacles(roofs, bandwidth, plane)))
    return [
        {
            **asdict(row),
            "kind": kind_of(row.type),
            "label": row.name if place.is_shown else "",
            "dx": place.dx,
            "dy": place.dy,
            "align": place.align,
        }
        for row, place in zip(rows, found, strict=True)
    ]


def _obstacles(roofs: dict[str, float], bandwidth: float, plane: _Plane) -> Iterator[Box]:
    """Yield the room that ceilings and what is written on them take."""
    for name, peak in roofs.items():
        left, y = plane.place(peak / bandwidth, peak)
        yield left, y - 3, plane.width, y + 3
        yield plane.width - text_width(_said(name, peak), 12), y - 20, plane.width, y
    steps = 60
    start, end = _slope(max(roofs.values()), bandwidth, plane)
    for i in range(steps + 1):
        intensity = start * (end / start) ** (i / steps)
        x, y = plane.place(intensity, intensity * bandwidth)
        yield x - 5, y - 5, x + 5, y + 5


def _slope(peak: float, bandwidth: float, plane: _Plane) -> tuple[float, float]:
    """Return the intensities between which the memory's ceiling is the lower one and in the picture."""
    return max(plane.x[0], plane.y[0] / bandwidth), peak / bandwidth


def _said(name: str, peak: float) -> str:
    return f"peak {name}: {format_rate(peak).removesuffix('B/s')}FLOP/s"


def _ceilings(roofs: dict[str, float], bandwidth: float, plane: _Plane) -> tuple[alt.Chart, alt.Chart, alt.Chart]:
    """Return the roofs as lines, and what each is."""
    import altair as alt

    x, y = plane.axes()
    lines = [
        {"ceiling": name, "intensity": intensity, "flop_per_s": min(peak, intensity * bandwidth)}
        for name, peak in roofs.items()
        for intensity in (*_slope(peak, bandwidth, plane), plane.x[1])
    ]
    dashes = alt.Scale(domain=list(roofs), range=[[1, 0], [5, 3]][: len(roofs)])
    drawn = alt.Chart(values(lines)).mark_line(style="reference", strokeWidth=2)
    peaks = [{"label": _said(name, peak), "intensity": plane.x[1], "flop_per_s": peak} for name, peak in roofs.items()]
    start, end = _slope(min(roofs.values()), bandwidth, plane)
    middle = sqrt(start * end)
    memory = [{"label": f"memory: {format_rate(bandwidth)}", "intensity": middle, "flop_per_s": middle * bandwidth}]
    return (
        drawn.encode(x=x, y=y, detail="ceiling:N", strokeDash=alt.StrokeDash("ceiling:N", legend=None, scale=dashes)),
        alt.Chart(values(peaks))
        .mark_text(align="right", baseline="bottom", dy=-5, style="note")
        .encode(x=x, y=y, text="label:N"),
        alt.Chart(values(memory))
        .mark_text(angle=360 - plane.slope_degrees(), baseline="bottom", dy=-6, style="note")
        .encode(x=x, y=y, text="label:N"),
    )


def _points(records: Sequence[dict[str, Any]], plane: _Plane) -> tuple[alt.Chart, alt.Chart]:
    """Return the marks of layers, and their names."""
    import altair as alt

    x, y = plane.axes()
    kinds = {record["kind"] for record in records}
    base = alt.Chart(values(records)).encode(x=x, y=y)
    marks = base.mark_point(filled=True, opacity=0.85).encode(
        color=kind_colour(kinds),
        shape=kind_shape(kinds),
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
    names = base.mark_text(
        align=alt.expr("datum.align"), dx=alt.expr("datum.dx"), dy=alt.expr("datum.dy"), style="label"
    )
    return marks, names.encode(text="label:N")
