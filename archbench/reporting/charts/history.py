"""The ImageNet challenge by year: bars of error with the human line, and bars of depth below them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import altair as alt

from archbench.reporting.charts.theme import COLOURS, layered, titled, values

if TYPE_CHECKING:
    from archbench.analyze.imagenet_history import HistoryRow
    from archbench.reporting.charts.theme import Chart

_WIDTH = 740
_HEIGHT = 260
_ERROR, _DEPTH = COLOURS[2], COLOURS[1]
_ROOM = 1.12  # times the highest bar
_NUMBER = 18  # pixels: the room of a number above its bar
_BAND = 0.62  # of each entry's place


def history_chart(
    rows: Sequence[HistoryRow], *, width: int = _WIDTH, height: int | None = None, notes: Sequence[str] = ()
) -> Chart:
    """Return a bar of error and one of depth per entry; an entry without a year is a line. `height` is per panel.

    The depth is as stated by the authors, or where they state none that of the counted model.
    """
    people = [row for row in rows if row.year is None]
    records = [_record(row) for row in rows if row.year is not None]
    _raise_numbers(records, [row.top5_error_percent for row in people], height or _HEIGHT)
    order = [record["place"] for record in records]
    # "2012|AlexNet|(SuperVision)": the parts are lines of the label.
    named = alt.Axis(title=None, labelExpr="split(datum.label, '|')", labelAngle=0, labelLimit=0, ticks=False)
    error = _bars(records, order, "top5_error_percent", "Top-5 error (%)", _ERROR, alt.Axis(labels=False, title=None))
    depth = _bars(records, order, "depth", "Weight layers", _DEPTH, named)
    size = {"width": width, "height": height or _HEIGHT}
    below = {"width": width, "height": (height or _HEIGHT) * 3 // 4}
    chart = alt.vconcat(layered(error, *_lines(people)).properties(**size), depth.properties(**below), spacing=14)
    return titled(chart, _finding(records), (*_subtitle(records), *notes), width)


def _record(row: HistoryRow) -> dict[str, Any]:
    name, _, more = row.entry.partition(" (")
    lines = [str(row.year), name, *([f"({more}"] if more else [])]
    return {
        "place": "|".join(lines),
        "entry": row.entry,
        "year": row.year,
        "top5_error_percent": row.top5_error_percent,
        "error_label": f"{row.top5_error_percent:g}%",
        "depth": row.layers if row.layers is not None else row.depth,
        "depth_label": _depth_label(row),
        "source": row.source,
    }


def _raise_numbers(records: Sequence[dict[str, Any]], levels: Sequence[float], height: int) -> None:
    """Set the height of each number: that of its bar, or of a line that would strike it."""
    most = max(record["top5_error_percent"] for record in records)
    room = _NUMBER * _ROOM * most / height
    for record in records:
        error = record["top5_error_percent"]
        record["error_height"] = next((level for level in levels if error < level < error + room), error)
        record["depth_height"] = record["depth"] or 0


def _depth_label(row: HistoryRow) -> str:
    depth = row.layers if row.layers is not None else row.depth
    if depth is not None:
        return str(depth)
    return "no network" if "no network" in row.entry else "not stated"


def _bars(
    records: Sequence[dict[str, Any]], order: Sequence[str], field: str, title: str, colour: str, axis: alt.Axis
) -> alt.LayerChart:
    """Return one bar per entry with its number above it."""
    name = {"top5_error_percent": "error", "depth": "depth"}[field]
    most = max((record[field] or 0 for record in records), default=1)
    up = alt.Y(
        f"{field}:Q", title=title, scale=alt.Scale(domain=[0, _ROOM * most], nice=False), axis=alt.Axis(tickCount=5)
    )
    base = alt.Chart(values(records)).encode(x=alt.X("place:N", sort=list(order), axis=axis), y=up)
    bars = base.mark_bar(color=colour, width={"band": _BAND}).encode(
        tooltip=[
            alt.Tooltip("entry:N", title="Entry"),
            alt.Tooltip("year:Q", title="Year"),
            alt.Tooltip("top5_error_percent:Q", title="Top-5 error (%)"),
            alt.Tooltip("depth:Q", title="Weight layers"),
            alt.Tooltip("source:N", title="Source"),
        ]
    )
    # An entry without a number has its reason at the axis.
    numbers = base.encode(
        y=alt.Y(f"{name}_height:Q", scale=alt.Scale(domain=[0, _ROOM * most], nice=False)), text=f"{name}_label:N"
    )
    return layered(
        bars,
        numbers.transform_filter(f"isValid(datum.{field})").mark_text(dy=-8, style="label"),
        numbers.transform_filter(f"!isValid(datum.{field})").mark_text(dy=-8, style="note"),
    )


def _lines(people: Sequence[HistoryRow]) -> tuple[alt.Chart, ...]:
    """Return a line for each entry without a year, with its name at the left, where bars are high, in their front."""
    if not people:
        return ()
    rows = [{"level": row.top5_error_percent, "text": f"{row.entry} {row.top5_error_percent:g}%"} for row in people]
    base = alt.Chart(values(rows)).encode(y="level:Q")
    rule = base.mark_rule(style="reference", strokeDash=[5, 4], strokeWidth=1.8)
    label = base.mark_text(align="right", baseline="bottom", dx=-4, dy=-4, style="label", fontWeight="bold")
    return rule, label.encode(x=alt.value("width"), text="text:N")


def _finding(records: Sequence[dict[str, Any]]) -> str:
    """Return how far the error fell, and the depth grew."""
    first, last = records[0], records[-1]
    fell = f"ImageNet error fell from {first['error_label']} to {last['error_label']}"
    depths = [record["depth"] for record in records if record["depth"] is not None]
    return f"{fell} as networks grew from {min(depths)} to {max(depths)} layers" if depths else fell


def _subtitle(records: Sequence[dict[str, Any]]) -> list[str]:
    years = f"{records[0]['year']} to {records[-1]['year']}"
    return [
        f"Winners and runners-up of the ImageNet challenge, {years}: top-5 error on the test set, mostly of ensembles; "
        "weight layers of one network, as its authors count them."
    ]
