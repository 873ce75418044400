"""Accuracy against training time, and when each model first reached a threshold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from archbench.report.charts.axes import log_domain, log_time_axis, percent_axis
from archbench.report.charts.theme import WIDTH, colour_of, dash_of, finished, layered, shape_of, values
from archbench.report.charts.training import chance_line
from archbench.units import format_percent, format_time

if TYPE_CHECKING:
    import altair as alt

    from archbench.report.charts.theme import Chart
    from archbench.train.records import Epoch

_HEIGHT = 380
_THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)


@dataclass(frozen=True, slots=True)
class Reached:
    """When a model's validation accuracy first was at a threshold: the mean of the seeds that came there."""

    model: str
    threshold: float
    time_s: float
    low_s: float
    high_s: float
    reached_seeds: int
    seeds: int


def elapsed_chart(
    epochs: Sequence[Epoch],
    *,
    data: str,
    num_classes: int,
    thresholds: Sequence[float] = (),
    width: int = WIDTH,
    height: int | None = None,
    notes: Sequence[str] = (),
) -> Chart:
    """Return one thin curve a seed and the mean of each model, with marks where thresholds were reached.

    Without `thresholds` it is the one of 50, 60, 70, 80, 90, 95, 98 and 99% that most models reached, the highest.
    """
    import altair as alt

    levels = tuple(thresholds) or _suitable(epochs, 1 / num_classes)
    models = list(dict.fromkeys(epoch.model for epoch in epochs))
    single: list[dict[str, Any]] = [
        {"model": epoch.model, "seed": epoch.seed, "elapsed_s": epoch.elapsed_s, "top1": epoch.validation_top1}
        for epoch in epochs
        if epoch.elapsed_s > 0
    ]
    # A run of warm-up steps alone has taken no time that counts.
    domain = log_domain([record["elapsed_s"] for record in single] or [1.0])
    axis = log_time_axis("Time of training steps (logarithmic)", *domain, grid=False)
    scale = alt.Scale(type="log", domain=list(domain), nice=False)
    across = alt.X("elapsed_s:Q", axis=axis, scale=scale)
    up = alt.Y("top1:Q", axis=percent_axis("Validation accuracy, top-1"), scale=alt.Scale(domain=[0, 1]))
    colour, dash = colour_of("model", models, "Model"), dash_of("model", models, None)
    seeds = alt.Chart(values(single)).mark_line(strokeWidth=1, opacity=0.35)
    means = alt.Chart(values(_means(epochs))).mark_line(strokeWidth=2.5)
    found = [reached for level in levels for reached in times_to(epochs, level)]
    chart = layered(
        *chance_line(1 / num_classes, f"chance {format_percent(1 / num_classes)}", is_left=True),
        alt.Chart(values([{"level": level} for level in levels])).mark_rule(style="reference").encode(y="level:Q"),
        seeds.encode(x=across, y=up, color=colour, detail="seed:N"),
        means.encode(x=across, y=up, color=colour, strokeDash=dash),
        *_marks(found, models, scale, axis),
    )
    said = (*_said(levels, found, models), *notes)
    sized = chart.properties(width=width, height=height or _HEIGHT)
    return finished(sized, f"Time to accuracy on {data}", said, width)


def _marks(
    found: Sequence[Reached], models: Sequence[str], scale: alt.Scale, axis: alt.Axis
) -> tuple[alt.Chart, alt.Chart, alt.Chart]:
    """Return where thresholds were reached: from the first seed to the last, their mean, and that in words."""
    import altair as alt

    # What was reached in no time has no place on a logarithmic axis.
    base = alt.Chart(values([_record(reached) for reached in found if reached.low_s > 0])).encode(
        x=alt.X("time_s:Q", scale=scale, axis=axis), y="threshold:Q"
    )
    colour = colour_of("model", models, "Model")
    spans = base.mark_rule(strokeWidth=3).encode(
        x=alt.X("low_s:Q", scale=scale, axis=axis), x2="high_s:Q", color=colour
    )
    marks = base.mark_point(filled=True, size=110, opacity=1).encode(
        color=colour,
        shape=shape_of("model", models, "Model"),
        tooltip=[
            alt.Tooltip("model:N", title="Model"),
            alt.Tooltip("threshold:Q", title="Threshold", format=".1%"),
            alt.Tooltip("time_s:Q", title="Time (s)", format=",.3~r"),
            alt.Tooltip("reached_seeds:Q", title="Seeds that reached it"),
            alt.Tooltip("seeds:Q", title="of"),
        ],
    )
    words = base.mark_text(align="left", baseline="top", dx=7, dy=5, style="label")
    return spans, marks, words.encode(text="said:N")


def times_to(epochs: Sequence[Epoch], threshold: float) -> list[Reached]:
    """Return when each model reached a validation accuracy; a model of which no seed did is left out.

    A seed's time is that at the end of the first epoch with at least this accuracy.
    """
    firsts: dict[tuple[str, int], float | None] = {}
    for epoch in sorted(epochs, key=lambda epoch: epoch.step):
        first = firsts.setdefault((epoch.model, epoch.seed), None)
        if first is None and epoch.validation_top1 >= threshold:
            firsts[epoch.model, epoch.seed] = epoch.elapsed_s
    times: defaultdict[str, list[float | None]] = defaultdict(list)
    for (model, _), time in firsts.items():
        times[model].append(time)
    found = []
    for model, of_seeds in times.items():
        there = [time for time in of_seeds if time is not None]
        if there:
            found.append(Reached(model, threshold, fmean(there), min(there), max(there), len(there), len(of_seeds)))
    return found


def _suitable(epochs: Sequence[Epoch], chance: float) -> tuple[float, ...]:
    """Return the threshold that most models reached, of several the highest; none if no model left chance behind."""
    counts = {level: len(times_to(epochs, level)) for level in _THRESHOLDS if level > 2 * chance}
    best = max(counts, key=lambda level: (counts[level], level), default=None)
    return (best,) if best is not None and counts[best] else ()


def _means(epochs: Sequence[Epoch]) -> list[dict[str, Any]]:
    """Return the mean time and accuracy of each model's epochs, as long as all its seeds are there."""
    found: defaultdict[tuple[str, int], list[Epoch]] = defaultdict(list)
    for epoch in epochs:
        found[epoch.model, epoch.epoch].append(epoch)
    seeds = {model: max(len(rows) for (name, _), rows in found.items() if name == model) for model, _ in found}
    return [
        {
            "model": model,
            "epoch": number,
            "elapsed_s": fmean(row.elapsed_s for row in rows),
            "top1": fmean(row.validation_top1 for row in rows),
        }
        for (model, number), rows in sorted(found.items())
        if len(rows) == seeds[model] and all(row.elapsed_s > 0 for row in rows)
    ]


def _record(reached: Reached) -> dict[str, Any]:
    part = "" if reached.reached_seeds == reached.seeds else f" ({reached.reached_seeds} of {reached.seeds} seeds)"
    return {
        "model": reached.model,
        "threshold": reached.threshold,
        "time_s": reached.time_s,
        "low_s": reached.low_s,
        "high_s": reached.high_s,
        "reached_seeds": reached.reached_seeds,
        "seeds": reached.seeds,
        "said": f"{format_time(reached.time_s)}{part}",
    }


def _said(levels: Sequence[float], found: Sequence[Reached], models: Sequence[str]) -> list[str]:
    """Return what the marks are, and who never came there."""
    said = ["Compilation and warm-up are left out. Thick lines are means over seeds, thin ones single seeds."]
    for level in levels:
        there = {reached.model for reached in found if reached.threshold == level}
        missing = [model for model in models if model not in there]
        never = f"; not reached by {', '.join(missing)}" if missing else ""
        said.append(f"Marks: the end of the first epoch at {format_percent(level)} or above{never}.")
    return said
