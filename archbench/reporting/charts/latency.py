"""Percentiles of measured latencies: a row a configuration, from its fastest step to its slowest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archbench.reporting.charts.axes import log_domain, log_time_axis
from archbench.reporting.charts.series_names import names, newest, shared
from archbench.reporting.charts.theme import COLOURS, WIDTH, finished, layered, values
from archbench.units import format_time

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart
    from archbench.store.records import Result

_ROW = 24  # pixels
_MOST_ROWS = 40
_NUMBERS = 240
# Column of the result -> its word, colour and shape.
_PERCENTILES = {
    "latency_s_median": ("median", COLOURS[0], "circle"),
    "latency_s_p90": ("p90", COLOURS[5], "diamond"),
    "latency_s_p99": ("p99", COLOURS[1], "triangle-right"),
}


def latency_chart(
    results: Sequence[Result], *, width: int = WIDTH, height: int | None = None, notes: Sequence[str] = ()
) -> Chart:
    """Return one row a model and batch; `results` are the newest first, of status ok, at least one with latencies.

    Those without are left out, of more than 40 rows the oldest. A percentile that a result does not have, because its
    samples are too few to tell, is left out.
    """
    import altair as alt

    found = newest([result for result in results if result.latencies_s])
    kept = found[:_MOST_ROWS]
    records = _records(kept)
    rows = [record["row"] for record in records]
    ends = [time for record in records for time in (record["fastest_s"], record["slowest_s"])]
    low, high = log_domain(ends)
    # To the right of each row there is room for its numbers.
    domain = (low, high * (high / low) ** (_NUMBERS / (width - _NUMBERS)))
    axis = log_time_axis("Latency of one step (logarithmic)", *domain)
    scale = alt.Scale(type="log", domain=list(domain), nice=False)
    row = alt.Y("row:N", sort=rows, title="Model and batch", axis=alt.Axis(grid=True, tickBand="center"))
    tooltip = [
        alt.Tooltip("row:N", title="Configuration"),
        alt.Tooltip("num_samples:Q", title="Steps", format=","),
        *(alt.Tooltip(f"{field}:Q", title=f"{word} (s)", format=".4~r") for field, (word, *_) in _PERCENTILES.items()),
        alt.Tooltip("fastest_s:Q", title="fastest (s)", format=".4~r"),
        alt.Tooltip("slowest_s:Q", title="slowest (s)", format=".4~r"),
    ]
    base = alt.Chart(values(records)).encode(y=row, tooltip=tooltip)
    ranges = base.mark_rule(style="reference", strokeWidth=1.5).encode(
        x=alt.X("fastest_s:Q", scale=scale, axis=axis), x2="slowest_s:Q"
    )
    words_of = {field: word for field, (word, *_) in _PERCENTILES.items()}
    words, colours, shapes = zip(*_PERCENTILES.values(), strict=True)
    marks = (
        base.transform_fold(list(_PERCENTILES), as_=["field", "latency_s"])
        .transform_filter("isValid(datum.latency_s)")
        .transform_calculate(percentile=f"({words_of!r})[datum.field]")
        .mark_point(filled=True, size=90, opacity=1)
        .encode(
            x=alt.X("latency_s:Q", scale=scale, axis=axis),
            color=alt.Color("percentile:N", title=None, scale=alt.Scale(domain=list(words), range=list(colours))),
            shape=alt.Shape("percentile:N", title=None, scale=alt.Scale(domain=list(words), range=list(shapes))),
        )
    )
    numbers = base.mark_text(align="left", dx=12, style="note").encode(
        x=alt.X("slowest_s:Q", scale=scale, axis=axis), text="said:N"
    )
    said = [f"{shared(kept)}. Lines reach from the fastest step to the slowest; a p90 needs 64 steps, a p99 662."]
    if len(kept) < len(found):
        said.append(f"The newest {len(kept)} of {len(found)} configurations are shown.")
    chart = layered(ranges, marks, numbers).properties(width=width, height=height or max(120, _ROW * len(records)))
    return finished(chart, "Measured latency", [*said, *notes], width)


def _records(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return a record a row, by model and batch."""
    records = [
        {
            "row": f"{name}, batch {result.configuration.batch}",
            "series": name,
            "batch": result.configuration.batch,
            **{field: getattr(result, field) for field in _PERCENTILES},
            "fastest_s": min(result.latencies_s),
            "slowest_s": max(result.latencies_s),
            "num_samples": len(result.latencies_s),
            "said": _said(result),
            "run_id": result.run_id,
        }
        for name, result in zip(names(results), results, strict=True)
    ]
    return sorted(records, key=lambda record: (record["series"], record["batch"]))


def _said(result: Result) -> str:
    """Return the percentiles as text: `median 8.05 ms · p90 8.58 ms`."""
    known = ((word, getattr(result, field)) for field, (word, *_) in _PERCENTILES.items())
    return " · ".join(f"{word} {format_time(time)}" for word, time in known if time is not None)
