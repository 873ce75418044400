"""Test accuracy of a training run against MACs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import altair as alt

from archbench.reporting.charts.axes import fraction_domain, is_near, percent_axis
from archbench.reporting.charts.label_placement import LABEL_SIZE, Box
from archbench.reporting.charts.model_names import short_names
from archbench.reporting.charts.models_by_macs import MarkStyle, area_sentence, macs_plane, model_marks, place_model
from archbench.reporting.charts.plane import Plane, Scale
from archbench.reporting.charts.theme import COLOURS, WIDTH, layered, titled, values
from archbench.reporting.charts.training import chance_line
from archbench.reporting.drawings.canvas import text_width
from archbench.units import format_percent

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart
    from archbench.store.accuracy import Accuracy

_TICK = 9.0  # pixels: the width of an interval's ends


def measured_accuracy_chart(
    rows: Sequence[Accuracy], *, data: str, width: int = WIDTH, height: int | None = None, notes: Sequence[str] = ()
) -> Chart:
    """Return the mean accuracy of each model with its 95% interval, against MACs; the area is for parameters.

    At least one row has an accuracy; models without one are named in the subtitle. A status other than `ok` follows
    the model's name. `data` names the data set, with its caveat.
    """
    shown = [row for row in rows if row.top1_mean is not None]
    names = short_names(row.model for row in rows)
    records = [_record(row, names[row.model]) for row in shown]
    chance = shown[0].chance_top1
    assert chance is not None, "a run folder has it"
    bounds = [bound for record in records for bound in (record["low"], record["high"])]
    has_line = is_near(chance, bounds)
    domain = fraction_domain([*bounds, chance] if has_line else bounds)
    plane = macs_plane(records, Scale(domain, percent_axis("Test accuracy, top-1", tickCount=6)), width, height)
    obstacles = _interval_boxes(records, plane) + (_chance_boxes(chance, plane) if has_line else [])
    style = MarkStyle("top1_mean", "circle", COLOURS[0], [row.model for row in rows])
    marks, labels = model_marks(records, plane, style, _tooltip(), obstacles)
    chart = layered(
        *(chance_line(chance, _chance_text(chance), is_left=True) if has_line else ()),
        marks,
        *_intervals(records, plane),
        labels,
    ).properties(width=plane.width, height=plane.height)
    subtitle = (*_subtitle(rows, shown, data, chance), *notes)
    return titled(chart, _finding(records), subtitle, width)


def _record(row: Accuracy, name: str) -> dict[str, Any]:
    return {
        "model": row.model,
        "label": name if row.status == "ok" else f"{name} ({row.status})",
        "macs": row.macs,
        "params": row.params,
        "top1_mean": row.top1_mean,
        "low": row.top1_mean if row.top1_low is None else row.top1_low,
        "high": row.top1_mean if row.top1_high is None else row.top1_high,
        "seeds": row.seeds,
        "status": row.status,
        "origin": "measured",
    }


def _finding(records: Sequence[dict[str, Any]]) -> str:
    """Return the highest mean, and whether its interval is apart from the others."""
    best = max(records, key=lambda record: record["top1_mean"])
    result = f"{best['label']}, {format_percent(best['top1_mean'])}"
    if len(records) == 1:
        return f"Test accuracy: {result}"
    is_apart = all(record["high"] < best["low"] for record in records if record is not best)
    return f"Highest test accuracy: {result}{'' if is_apart else ', within the intervals of others'}"


def _subtitle(rows: Sequence[Accuracy], shown: Sequence[Accuracy], data: str, chance: float) -> list[str]:
    seeds = [str(count) for count in sorted({row.seeds for row in shown})]
    missing = [f"{row.model} ({row.status})" for row in rows if row.top1_mean is None]
    return [
        f"Measured on {data}; mean of {' or '.join(seeds)} {'seed' if seeds == ['1'] else 'seeds'}, 95% interval; "
        f"{_chance_text(chance)}.{area_sentence(shown)}",
        *([f"Without an accuracy: {', '.join(missing)}."] if missing else []),
    ]


def _chance_text(chance: float) -> str:
    return f"chance {format_percent(chance)}"


def _chance_boxes(chance: float, plane: Plane) -> list[Box]:
    """Return the room of the chance line and of the text at its left end."""
    y = plane.place(plane.x.domain[0], chance)[1]
    return [(0, y - 3, plane.width, y + 3), (0, y - 18, text_width(_chance_text(chance), LABEL_SIZE), y)]


def _interval_boxes(records: Sequence[dict[str, Any]], plane: Plane) -> list[Box]:
    """Return the room of the intervals with their ends."""
    ends = [(*place_model(plane, record, "high"), place_model(plane, record, "low")[1]) for record in records]
    return [(x - _TICK / 2, top, x + _TICK / 2, bottom) for x, top, bottom in ends]


def _intervals(records: Sequence[dict[str, Any]], plane: Plane) -> tuple[alt.Chart, ...]:
    base = alt.Chart(values(records)).encode(x=plane.across("macs"))
    bars = base.mark_rule(style="label", strokeWidth=1.5).encode(y=plane.up("low"), y2="high:Q")
    tick = base.mark_tick(style="label", orient="horizontal", size=_TICK, thickness=1.5)
    return bars, *(tick.encode(y=plane.up(bound)) for bound in ("low", "high"))


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("top1_mean:Q", title="Top-1", format=".1%"),
        alt.Tooltip("low:Q", title="from", format=".1%"),
        alt.Tooltip("high:Q", title="to", format=".1%"),
        alt.Tooltip("status:N", title="Status"),
    ]
