"""Measured images per second against the batch, with 95% intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import altair as alt

from archbench.reporting.charts.axes import log_axis, log_domain
from archbench.reporting.charts.series_names import newest, series_names, shared_settings
from archbench.reporting.charts.theme import WIDTH, colour_of, dash_of, layered, shape_of, titled, values

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart
    from archbench.store.records import Result

_HEIGHT = 380


def throughput_chart(
    results: Sequence[Result], *, width: int = WIDTH, height: int | None = None, notes: Sequence[str] = ()
) -> Chart:
    """Return one line per series of results, which come newest first and have status `ok`.

    At least one has a rate above 0; those without have no place on a logarithmic axis and are left out.
    """
    kept = newest([result for result in results if result.images_per_s])
    records = _records(kept)
    series = list(dict.fromkeys(record["series"] for record in records))
    rates = log_domain([record["images_per_s"] for record in records])
    y: dict[str, Any] = {
        "scale": alt.Scale(type="log", domain=list(rates), nice=False),
        "axis": log_axis("Throughput (images/s)", *rates),
    }
    base = alt.Chart(values(records)).encode(x=_batches(records), color=colour_of("series", series, None))
    bars = base.mark_rule(strokeWidth=1.5).encode(y=alt.Y("low:Q", **y), y2="high:Q")
    up = alt.Y("images_per_s:Q", **y)
    lines = base.mark_line(strokeWidth=2).encode(y=up, strokeDash=dash_of("series", series, None))
    marks = base.mark_point(filled=True, size=70, opacity=1).encode(
        y=up, shape=shape_of("series", series, None), tooltip=_tooltip()
    )
    subtitle = (f"{shared_settings(kept)}. Median of images a second, bars are 95% intervals.", *notes)
    chart = layered(bars, lines, marks).properties(width=width, height=height or _HEIGHT)
    return titled(chart, "Measured throughput against batch", subtitle, width)


def _batches(records: Sequence[dict[str, Any]]) -> alt.X:
    batches = sorted({record["batch"] for record in records})
    return alt.X(
        "batch:Q",
        scale=alt.Scale(type="log", base=2, domain=[batches[0] / 1.2, batches[-1] * 1.2], nice=False),
        axis=alt.Axis(title="Batch (images)", values=batches, format=",d", labelOverlap="greedy", grid=False),
    )


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("series:N", title="Series"),
        alt.Tooltip("batch:Q", title="Batch"),
        alt.Tooltip("images_per_s:Q", title="Images/s", format=",.4~r"),
        alt.Tooltip("low:Q", title="95% interval from", format=",.4~r"),
        alt.Tooltip("high:Q", title="to", format=",.4~r"),
        alt.Tooltip("run_id:N", title="Run"),
    ]


def _records(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return a record per result, ordered by series and batch."""
    records: list[dict[str, Any]] = [
        {
            "series": name,
            "batch": result.configuration.batch,
            "images_per_s": result.images_per_s,
            "low": result.images_per_s_low,
            "high": result.images_per_s_high,
            "run_id": result.run_id,
        }
        for name, result in zip(series_names(results), results, strict=True)
    ]
    return sorted(records, key=lambda record: (record["series"], record["batch"]))
