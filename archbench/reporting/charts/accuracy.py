"""Accuracy against MACs, the area of a mark being parameters: as trained here, or errors as published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from typing import TYPE_CHECKING, Any

from archbench.models.address import reported_error
from archbench.reporting.charts.axes import COUNT_LABELS, log_count_axis, log_domain, percent_axis
from archbench.reporting.charts.label_placement import Box, Spot, places
from archbench.reporting.charts.theme import COLOURS, WIDTH, finished, layered, values
from archbench.reporting.charts.training import chance_line
from archbench.reporting.drawings.canvas import text_width
from archbench.units import format_percent

if TYPE_CHECKING:
    import altair as alt

    from archbench.analyze.layers import Totals
    from archbench.models.address import Card
    from archbench.reporting.charts.theme import Chart
    from archbench.training.run_dir.records import Accuracy

_HEIGHT = 400
_LARGEST = 1100.0  # square pixels: the mark of the model with most parameters
_DOT = 25.0  # in the middle of every mark, so that small models are seen
_TICK = 9.0  # pixels: how wide the ends of intervals are
# A line of chance farther away than this would press all else together; then it is only said.
_NEAR_CHANCE = 0.25


@dataclass(frozen=True, slots=True)
class Published:
    """One model with its error as published, in percent, and how that was measured; counts are of one image."""

    model: str
    title: str
    params: int
    macs: int
    top5_error_percent: float
    protocol: str


def published(model: str, card: Card | None, input_shape: Sequence[int], totals: Totals) -> Published | None:
    """Return a model that was counted on a sample of a shape, with its error; None where none is published for it."""
    error = reported_error(card, input_shape)
    if card is None or error is None:
        return None
    return Published(model, card.title, totals.params, totals.macs, error, card.reported_protocol or "")


@dataclass(frozen=True, slots=True)
class _Plane:
    """MACs to the right, logarithmic, and a figure up, over a rectangle of pixels; how marks look on it."""

    field: str
    axis: alt.Axis
    macs: tuple[float, float]
    domain: tuple[float, float]
    width: int
    height: int
    colour: str
    shape: str

    def place(self, macs: float, value: float) -> tuple[float, float]:
        """Return pixels from the upper left."""
        across = log10(macs / self.macs[0]) / log10(self.macs[1] / self.macs[0])
        up = (value - self.domain[0]) / (self.domain[1] - self.domain[0])
        return self.width * across, self.height * (1 - up)

    def values_at(self, x: float, y: float) -> tuple[float, float]:
        """Return the MACs and the figure at a place on the page."""
        low, high = self.domain
        macs = self.macs[0] * (self.macs[1] / self.macs[0]) ** (x / self.width)
        return macs, high - y / self.height * (high - low)

    def across(self) -> alt.X:
        """Return the axis of MACs as all layers of the chart have it."""
        import altair as alt

        axis = log_count_axis("Computation of one image (MACs)", *self.macs)
        return alt.X("macs:Q", scale=alt.Scale(type="log", domain=list(self.macs), nice=False), axis=axis)

    def up(self, field: str) -> alt.Y:
        """Return the vertical axis, which several fields may be on."""
        import altair as alt

        return alt.Y(f"{field}:Q", scale=alt.Scale(domain=list(self.domain), nice=False), axis=self.axis)


def measured_accuracy_chart(
    rows: Sequence[Accuracy], *, data: str, width: int = WIDTH, height: int | None = None, notes: Sequence[str] = ()
) -> Chart:
    """Return what a training run came to, with 95% intervals; models without an accuracy are named, not shown.

    A status that is not ok stands behind the model's name. `data` says what was trained on, with its caveat. At least
    one row has an accuracy.
    """
    import altair as alt

    shown = [row for row in rows if row.top1_mean is not None]
    records = [_measured(row) for row in shown]
    chance = shown[0].chance_top1
    bounds = [bound for record in records for bound in (record["low"], record["high"])]
    is_near = min(bounds) < chance + _NEAR_CHANCE
    plane = _Plane(
        field="top1_mean",
        axis=percent_axis("Test accuracy, top-1"),
        macs=_macs_domain(records),
        domain=_fractions([*bounds, chance] if is_near else bounds),
        width=width,
        height=height or _HEIGHT,
        colour=COLOURS[0],
        shape="circle",
    )
    obstacles = _interval_boxes(records, plane)
    if is_near:
        obstacles += _chance_boxes(chance, plane)
    marks, names = _marks(records, plane, obstacles)
    base = alt.Chart(values(records)).encode(x=plane.across())
    tick = base.mark_tick(style="label", orient="horizontal", size=_TICK, thickness=1.5)
    ends = (tick.encode(y=plane.up(bound)) for bound in ("low", "high"))
    bars = base.mark_rule(style="label", strokeWidth=1.5).encode(y=plane.up("low"), y2="high:Q")
    chart = layered(
        *(chance_line(chance, _chance_said(chance), is_left=True) if is_near else ()),
        marks,
        bars,
        *ends,
        names,
    )
    seeds = " or ".join(str(count) for count in sorted({row.seeds for row in shown}))
    missing = [f"{row.model} ({row.status})" for row in rows if row.top1_mean is None]
    said = [
        f"Measured on {data}; mean of {seeds} seed{'' if seeds == '1' else 's'}, 95% interval; "
        f"{_chance_said(chance)}. Area is parameters.",
        *([f"Without an accuracy: {', '.join(missing)}."] if missing else []),
        *notes,
    ]
    return finished(chart.properties(width=width, height=plane.height), "Accuracy against computation", said, width)


def published_error_chart(
    rows: Sequence[Published], *, width: int = WIDTH, height: int | None = None, notes: Sequence[str] = ()
) -> Chart:
    """Return published top-5 errors, of at least one model; pointing at one shows by which protocol."""
    import altair as alt

    records = [
        {
            "model": row.model,
            "label": row.model,
            "title": row.title,
            "macs": row.macs,
            "params": row.params,
            "top5_error_percent": row.top5_error_percent,
            "protocol": row.protocol,
            "origin": "published",
        }
        for row in rows
    ]
    errors = [row.top5_error_percent for row in rows]
    spare = max(1.0, 0.15 * (max(errors) - min(errors)))
    plane = _Plane(
        field="top5_error_percent",
        axis=alt.Axis(title="Published top-5 error (%), lower is better", format="~g", tickMinStep=1),
        macs=_macs_domain(records),
        domain=(max(0.0, min(errors) - spare), max(errors) + spare),
        width=width,
        height=height or _HEIGHT,
        colour=COLOURS[1],
        shape="diamond",
    )
    chart = layered(*_marks(records, plane, [])).properties(width=width, height=plane.height)
    protocols = len({row.protocol for row in rows})
    said = [
        "Published, not measured here: single networks on ImageNet, as their cards cite them. Area is parameters.",
        *([f"By {protocols} different protocols, so that small differences say nothing."] if protocols > 1 else []),
        *notes,
    ]
    return finished(chart, "Error against computation", said, width)


def _measured(row: Accuracy) -> dict[str, Any]:
    return {
        "model": row.model,
        "label": row.model if row.status == "ok" else f"{row.model} ({row.status})",
        "macs": row.macs,
        "params": row.params,
        "top1_mean": row.top1_mean,
        "low": row.top1_mean if row.top1_low is None else row.top1_low,
        "high": row.top1_mean if row.top1_high is None else row.top1_high,
        "seeds": row.seeds,
        "status": row.status,
        "origin": "measured",
    }


def _chance_said(chance: float) -> str:
    return f"chance {format_percent(chance)}"


def _chance_boxes(chance: float, plane: _Plane) -> list[Box]:
    """Return the room that the line of chance takes, and what is written on its left end."""
    y = plane.place(plane.macs[0], chance)[1]
    return [(0, y - 3, plane.width, y + 3), (0, y - 18, text_width(_chance_said(chance), 12), y)]


def _interval_boxes(records: Sequence[dict[str, Any]], plane: _Plane) -> list[Box]:
    """Return the room that the bars of intervals take, each with its ends."""
    boxes = []
    for record in records:
        x, top = plane.place(max(1, record["macs"]), record["high"])
        bottom = plane.place(max(1, record["macs"]), record["low"])[1]
        boxes.append((x - _TICK / 2, top, x + _TICK / 2, bottom))
    return boxes


def _macs_domain(records: Sequence[dict[str, Any]]) -> tuple[float, float]:
    return log_domain([max(1, record["macs"]) for record in records], room=0.12)


def _fractions(numbers: Sequence[float]) -> tuple[float, float]:
    """Return bounds of an axis of fractions with room at both ends."""
    spare = 0.1 * max(max(numbers) - min(numbers), 0.1)
    return max(0.0, min(numbers) - spare), min(1.02, max(numbers) + spare)


def _marks(records: list[dict[str, Any]], plane: _Plane, obstacles: Sequence[Box]) -> tuple[alt.LayerChart, alt.Chart]:
    """Return the marks of models, and their names."""
    import altair as alt

    most = max((record["params"] for record in records), default=1) or 1
    spots = [
        Spot(
            *plane.place(max(1, record["macs"]), record[plane.field]),
            area=max(_DOT, _LARGEST * record["params"] / most),
            text=record["label"],
        )
        for record in records
    ]
    found = places(spots, plane.width, plane.height, obstacles=obstacles, all_shown=True)
    placed = []
    for record, spot, place in zip(records, spots, found, strict=True):
        macs, value = plane.values_at(spot.x + place.dx, spot.y + place.dy)
        line = {} if place.is_near else {"name_macs": macs, "name_value": value}
        placed.append({**record, "dx": place.dx, "dy": place.dy, "align": place.align, **line})
    base = alt.Chart(values(placed)).encode(
        x=plane.across(), y=plane.up(plane.field), tooltip=_tooltip(is_measured=plane.field == "top1_mean")
    )
    size = alt.Size("params:Q", scale=alt.Scale(domain=[0, most], range=[0, _LARGEST]), legend=_sizes(most, plane))
    areas = base.mark_point(filled=True, opacity=0.55, color=plane.colour, shape=plane.shape).encode(size=size)
    dots = base.mark_point(filled=True, opacity=1, size=_DOT, style="label")
    names = base.mark_text(
        align=alt.expr("datum.align"), dx=alt.expr("datum.dx"), dy=alt.expr("datum.dy"), style="label"
    )
    far = base.transform_filter("isValid(datum.name_macs)").mark_rule(style="reference")
    lines = far.encode(x2="name_macs:Q", y2="name_value:Q")
    return layered(lines, areas, dots), names.encode(text="label:N")


def _tooltip(*, is_measured: bool) -> list[alt.Tooltip]:
    import altair as alt

    own = (
        [
            alt.Tooltip("top1_mean:Q", title="Top-1", format=".1%"),
            alt.Tooltip("low:Q", title="from", format=".1%"),
            alt.Tooltip("high:Q", title="to", format=".1%"),
            alt.Tooltip("status:N", title="Status"),
        ]
        if is_measured
        else [
            alt.Tooltip("top5_error_percent:Q", title="Top-5 error (%)"),
            alt.Tooltip("protocol:N", title="Protocol"),
        ]
    )
    return [
        alt.Tooltip("model:N", title="Model"),
        *own,
        alt.Tooltip("macs:Q", title="MACs", format=","),
        alt.Tooltip("params:Q", title="Parameters", format=","),
        alt.Tooltip("origin:N", title="From"),
    ]


def _sizes(most: int, plane: _Plane) -> alt.Legend:
    import altair as alt

    power = 10 ** int(log10(most))
    return alt.Legend(
        title="Parameters",
        values=[power / 10, power / 2, power] if most >= 10 else [1],
        labelExpr=COUNT_LABELS,
        symbolFillColor=plane.colour,
        symbolType=plane.shape,
    )
