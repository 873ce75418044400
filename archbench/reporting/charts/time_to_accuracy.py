"""Accuracy against training time, and below it one row per model: when it first reached a threshold."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

import altair as alt

from archbench.reporting.charts.axes import fraction_domain, is_near, log_domain, log_time_axis, percent_axis
from archbench.reporting.charts.model_names import short_names
from archbench.reporting.charts.plane import Plane, Scale
from archbench.reporting.charts.theme import WIDTH, colour_of, dash_of, layered, shape_of, titled, values
from archbench.reporting.charts.thresholds import Reached, default_thresholds, times_to
from archbench.reporting.charts.training import chance_line
from archbench.reporting.tables.wording import several
from archbench.units import format_percent, format_time

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart
    from archbench.training.records import Chance, Epoch

_TIME = "Time of training steps (logarithmic)"
_HEIGHT = 260
_MARK = 110.0  # square pixels
_ROW = 26  # pixels per model
_LATE = 0.8  # of the width: beyond it a label stands to the left of its row's range


def time_to_accuracy_chart(
    epochs: Sequence[Epoch],
    *,
    data: str,
    chance: Chance,
    thresholds: Sequence[float] = (),
    width: int = WIDTH,
    height: int | None = None,
    notes: Sequence[str] = (),
) -> Chart:
    """Return the curves of single seeds and means, and for each threshold a row per model on the same axis of time.

    `thresholds` are fractions; the default is one that most models reached (`default_thresholds`). `height` is that of
    the curves, in pixels.
    """
    levels = tuple(thresholds) or default_thresholds(epochs, chance.top1 or 0.0)
    names = short_names(dict.fromkeys(epoch.model for epoch in epochs))
    single, means = _single(epochs), _means(epochs)
    plane = _plane(single, [*levels, *_chance_level(single, chance)], width, height or _HEIGHT)
    # With rows below, the axis of time has its title there.
    untitled = replace(plane, x=replace(plane.x, axis=_time_axis(None if levels else _TIME, plane.x.domain)))
    reached = [each for level in levels for each in times_to(epochs, level)]
    rows = _reached_records(reached, plane, names)
    curves = layered(
        *(line for level in _chance_level(single, chance) for line in _chance_marks(level)),
        _threshold_lines(levels),
        *_curve_marks(single, means, list(names), untitled),
    ).properties(width=plane.width, height=plane.height)
    panels = [_panel(level, rows, names, plane) for level in levels]
    chart = alt.vconcat(curves, *panels, spacing=18) if panels else curves
    return titled(
        chart, _finding(reached, levels, names), (*_subtitle(levels, reached, list(names), data, chance), *notes), width
    )


def _chance_level(single: Sequence[dict[str, Any]], chance: Chance) -> list[float]:
    """Return the chance level if it is known and near the curves, where it does not squeeze them together."""
    top1 = [record["top1"] for record in single]
    return [chance.top1] if chance.top1 and (not top1 or is_near(chance.top1, top1)) else []


def _chance_marks(level: float) -> tuple[alt.Chart, alt.Chart]:
    return chance_line(level, f"chance {format_percent(level)}", is_left=True)


def _single(epochs: Sequence[Epoch]) -> list[dict[str, Any]]:
    """Return a record per epoch of each seed; a run of warm-up steps alone has taken no time that counts."""
    return [
        {"model": epoch.model, "seed": epoch.seed, "elapsed_s": epoch.elapsed_s, "top1": epoch.validation_top1}
        for epoch in epochs
        if epoch.elapsed_s > 0
    ]


def _means(epochs: Sequence[Epoch]) -> list[dict[str, Any]]:
    """Return the mean time and accuracy of each model's epochs, where all its seeds are present."""
    rows_of: defaultdict[tuple[str, int], list[Epoch]] = defaultdict(list)
    for epoch in epochs:
        rows_of[epoch.model, epoch.epoch].append(epoch)
    seeds = {model: max(len(rows) for (name, _), rows in rows_of.items() if name == model) for model, _ in rows_of}
    return [
        {
            "model": model,
            "epoch": number,
            "elapsed_s": fmean(row.elapsed_s for row in rows),
            "top1": fmean(row.validation_top1 for row in rows),
        }
        for (model, number), rows in sorted(rows_of.items())
        if len(rows) == seeds[model] and all(row.elapsed_s > 0 for row in rows)
    ]


def _time_axis(title: str | None, times: tuple[float, float]) -> alt.Axis:
    return log_time_axis(title, *times, grid=False)


def _plane(single: Sequence[dict[str, Any]], levels: Sequence[float], width: int, height: int) -> Plane:
    times = log_domain([record["elapsed_s"] for record in single] or [1.0])
    axis = _time_axis(_TIME, times)
    top1 = fraction_domain([*(record["top1"] for record in single), *levels] or [0.0, 1.0])
    up = Scale(top1, percent_axis("Validation accuracy, top-1", tickCount=6))
    return Plane(Scale(times, axis, is_log=True), up, width, height)


def _threshold_lines(levels: Sequence[float]) -> alt.Chart:
    lines: alt.Chart = (
        alt.Chart(values([{"level": level} for level in levels])).mark_rule(style="reference").encode(y="level:Q")
    )
    return lines


def _curve_marks(
    single: Sequence[dict[str, Any]], means: Sequence[dict[str, Any]], models: Sequence[str], plane: Plane
) -> Iterator[alt.Chart]:
    """Yield thin curves of single seeds, thick ones of means, and dots: faint and small, and full."""

    def base(records: Sequence[dict[str, Any]]) -> alt.Chart:
        return alt.Chart(values(records)).encode(
            x=plane.across("elapsed_s"), y=plane.up("top1"), color=colour_of("model", models, "Model")
        )

    yield base(single).mark_line(strokeWidth=1, opacity=0.35).encode(detail="seed:N")
    # The legend shows the shapes: with dashes as well it would draw outlines.
    dash = dash_of("model", models, "Model").legend(None)
    yield base(means).mark_line(strokeWidth=2.5).encode(strokeDash=dash)
    shape = shape_of("model", models, "Model")
    yield base(_alone(single)).mark_point(filled=True, size=16, opacity=0.5).encode(shape=shape)
    yield base(_alone(means)).mark_point(filled=True, size=45, opacity=1.0).encode(shape=shape)


def _alone(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the points that are a whole curve: a line through one point draws nothing."""
    points = Counter((record["model"], record.get("seed")) for record in records)
    return [record for record in records if points[record["model"], record.get("seed")] == 1]


def _panel(level: float, rows: Sequence[dict[str, Any]], names: Mapping[str, str], plane: Plane) -> alt.LayerChart:
    """Return one row per model, the fastest first: the range of its seeds, their mean and its label."""
    own = [row for row in rows if row["threshold"] == level]
    missing = [{"name": name, "missed": "not reached"} for model, name in names.items() if not _has(own, model)]
    order = [row["name"] for row in sorted(own, key=lambda row: row["time_s"])] + [row["name"] for row in missing]
    row = alt.Y("name:N", sort=order, scale=alt.Scale(domain=order), title=None, axis=alt.Axis(grid=False))
    colour = colour_of("model", list(names), "Model")
    base = alt.Chart(values(rows)).transform_filter(f"datum.threshold == {level!r}").encode(y=row)
    spans = base.mark_rule(strokeWidth=3).encode(x=plane.across("low_s"), x2="high_s:Q", color=colour)
    marks = base.mark_point(filled=True, size=_MARK, opacity=1).encode(
        x=plane.across("time_s"), color=colour, shape=shape_of("model", list(names), "Model"), tooltip=_tooltip()
    )
    labels = base.mark_text(
        align=alt.expr("datum.align"), dx=alt.expr("datum.align == 'left' ? 10 : -10"), style="label"
    ).encode(x=plane.across("end_s"), text="label:N")
    never = (
        alt.Chart(values(missing))
        .mark_text(align="left", dx=6, style="note")
        .encode(x=alt.value(0), y=row, text="missed:N")
    )
    heading = alt.TitleParams(f"{format_percent(level)} reached", fontSize=13, offset=4)
    chart: alt.LayerChart = layered(spans, marks, labels, never).properties(
        width=plane.width, height=_ROW * len(order), title=heading
    )
    return chart


def _has(rows: Sequence[dict[str, Any]], model: str) -> bool:
    return any(row["model"] == model for row in rows)


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("model:N", title="Model"),
        alt.Tooltip("threshold:Q", title="Threshold", format=".1%"),
        alt.Tooltip("time_s:Q", title="Time (s)", format=",.3~r"),
        alt.Tooltip("low_s:Q", title="First seed (s)", format=",.3~r"),
        alt.Tooltip("high_s:Q", title="Last seed (s)", format=",.3~r"),
        alt.Tooltip("reached_seeds:Q", title="Seeds that reached it"),
        alt.Tooltip("seeds:Q", title="of"),
    ]


def _reached_records(reached: Sequence[Reached], plane: Plane, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return a record per model and threshold, with its label at the end of the range that has room."""
    # A threshold reached in no time has no place on a logarithmic axis.
    shown = [each for each in reached if each.low_s > 0]
    is_late = [plane.x.fraction(each.high_s) > _LATE for each in shown]
    return [
        {
            **asdict(each),
            "name": names[each.model],
            "label": _label(each),
            "align": "right" if late else "left",
            "end_s": each.low_s if late else each.high_s,
        }
        for each, late in zip(shown, is_late, strict=True)
    ]


def _label(reached: Reached) -> str:
    part = "" if reached.reached_seeds == reached.seeds else f" ({reached.reached_seeds} of {reached.seeds} seeds)"
    return f"{format_time(reached.time_s)}{part}"


def _finding(reached: Sequence[Reached], levels: Sequence[float], names: Mapping[str, str]) -> str:
    """Return which model reached the highest threshold first."""
    if not reached:
        return f"{format_percent(levels[-1])} was not reached" if levels else "No threshold was reached"
    level = max(each.threshold for each in reached)
    first = min((each for each in reached if each.threshold == level), key=lambda each: each.time_s)
    soonest = "" if len(names) == 1 else ", first of " + several(len(names), "model")
    return f"{names[first.model]} reaches {format_percent(level)} after {format_time(first.time_s)}{soonest}"


def _subtitle(
    levels: Sequence[float], reached: Sequence[Reached], models: Sequence[str], data: str, chance: Chance
) -> list[str]:
    """Return the data, the meaning of lines, dots and rows, and which models did not reach a threshold."""
    known = f"; chance {format_percent(chance.top1)}" if chance.top1 else ""
    sentences = [
        f"Trained on {data}{known}. Compilation and warm-up are left out. Thick lines and dots are means over seeds,"
        " thin and faint ones single seeds."
    ]
    if not levels:
        sentences.append("Marks: no threshold reached.")
    for level in levels:
        successful = {each.model for each in reached if each.threshold == level}
        missing = [model for model in models if model not in successful]
        never = f"; not reached by {', '.join(missing)}" if missing else ""
        sentences.append(f"Rows: the end of the first epoch at {format_percent(level)} or above{never}.")
    return sentences
