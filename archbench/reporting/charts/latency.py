"""Percentiles of measured latencies: one row per configuration, from its fastest step to its slowest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import altair as alt

from archbench.reporting.charts.axes import log_domain, log_time_axis
from archbench.reporting.charts.series_names import newest, series_names, shared_settings
from archbench.reporting.charts.theme import WIDTH, layered, titled, values
from archbench.units import format_time

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart
    from archbench.store.records import Result

_ROW = 24  # pixels
_MOST_ROWS = 40
# Field of the result -> its name, colour and shape.
_PERCENTILES = {
    "latency_s_median": ("median", "#4477aa", "circle"),
    "latency_s_p90": ("p90", "#ccbb44", "diamond"),
    "latency_s_p99": ("p99", "#ee6677", "triangle-right"),
}


def latency_chart(
    results: Sequence[Result], *, width: int = WIDTH, height: int | None = None, notes: Sequence[str] = ()
) -> Chart:
    """Return one row per model and batch of results, which come newest first and have status `ok`.

    At least one has latencies; those without are left out, and of more than 40 rows the oldest. So is a percentile for
    which a result has too few samples.
    """
    measured = newest([result for result in results if result.latencies_s])
    kept = measured[:_MOST_ROWS]
    records = _records(kept)
    rows = [record["row"] for record in records]
    domain = log_domain([time for record in records for time in (record["fastest_s"], record["slowest_s"])])
    x: dict[str, Any] = {
        "scale": alt.Scale(type="log", domain=list(domain), nice=False),
        "axis": log_time_axis("Latency of one step (logarithmic)", *domain),
    }
    row = alt.Y("row:N", sort=rows, title="Model and batch", axis=alt.Axis(grid=True, tickBand="center"))
    base = alt.Chart(values(records)).encode(y=row, tooltip=_tooltip())
    ranges = base.mark_rule(style="reference", strokeWidth=1.5).encode(x=alt.X("fastest_s:Q", **x), x2="slowest_s:Q")
    # Right of the plot, where no mark and no line of the grid crosses them.
    labels = base.mark_text(align="left", dx=10, style="note").encode(x=alt.value("width"), text="label:N")
    lines = "Lines reach from the fastest step to the slowest; a p90 needs 64 steps, a p99 662."
    shown = f"The newest {len(kept)} of {len(measured)} configurations are shown."
    subtitle = [f"{shared_settings(kept)}. {lines}", *([shown] if len(kept) < len(measured) else []), *notes]
    chart = layered(ranges, _percentile_marks(base, x, records), labels)
    sized = chart.properties(width=width, height=height or max(120, _ROW * len(records)))
    return titled(sized, _finding(records), subtitle, width)


def _finding(records: Sequence[dict[str, Any]]) -> str:
    """Return the lowest median latency of a step."""
    medians = [record for record in records if record["latency_s_median"] is not None]
    if not medians:
        return "Measured latency"
    best = min(medians, key=lambda record: record["latency_s_median"])
    lowest = "Lowest median latency" if len(medians) > 1 else "Median latency"
    return f"{lowest}: {format_time(best['latency_s_median'])}, {best['row']}"


def _tooltip() -> list[alt.Tooltip]:
    percentiles = {field: name for field, (name, *_) in _PERCENTILES.items()}
    times = {**percentiles, "fastest_s": "fastest", "slowest_s": "slowest"}
    return [
        alt.Tooltip("row:N", title="Configuration"),
        alt.Tooltip("num_samples:Q", title="Steps", format=","),
        *(alt.Tooltip(f"{field}:Q", title=f"{name} (s)", format=".4~r") for field, name in times.items()),
    ]


def _percentile_marks(base: alt.Chart, x: Mapping[str, Any], records: Sequence[dict[str, Any]]) -> alt.Chart:
    """Return one mark for each percentile that a result has; `x` are the scale and the axis of times."""
    used = [field for field in _PERCENTILES if any(record[field] is not None for record in records)]
    names = {field: _PERCENTILES[field][0] for field in used}
    domain, colours, shapes = ([_PERCENTILES[field][column] for field in used] for column in range(3))
    legend = alt.Legend(orient="top", direction="horizontal")
    marks: alt.Chart = (
        base.transform_fold([*used], as_=["field", "latency_s"])
        .transform_filter("isValid(datum.latency_s)")
        .transform_calculate(percentile=f"({names!r})[datum.field]")
        .mark_point(filled=True, size=90, opacity=1)
        .encode(
            x=alt.X("latency_s:Q", **x),
            color=alt.Color("percentile:N", title=None, scale=alt.Scale(domain=domain, range=colours), legend=legend),
            shape=alt.Shape("percentile:N", title=None, scale=alt.Scale(domain=domain, range=shapes), legend=legend),
        )
    )
    return marks


def _records(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return a record per row, ordered by series and batch."""
    records = [
        {
            "row": f"{name}, batch {result.configuration.batch}",
            "series": name,
            "batch": result.configuration.batch,
            **{field: getattr(result, field) for field in _PERCENTILES},
            "fastest_s": min(result.latencies_s),
            "slowest_s": max(result.latencies_s),
            "num_samples": len(result.latencies_s),
            "label": _label(result),
            "run_id": result.run_id,
        }
        for name, result in zip(series_names(results), results, strict=True)
    ]
    return sorted(records, key=lambda record: (record["series"], record["batch"]))


def _label(result: Result) -> str:
    """Return the percentiles as text: `median 8.05 ms · p90 8.58 ms`."""
    known = ((name, getattr(result, field)) for field, (name, *_) in _PERCENTILES.items())
    return " · ".join(f"{name} {format_time(time)}" for name, time in known if time is not None)
