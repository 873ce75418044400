"""Accuracy against training time, with marks where each model first reached a threshold."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import pairwise
from math import hypot
from statistics import fmean
from typing import TYPE_CHECKING, Any

import altair as alt

from archbench.reporting.charts.axes import log_domain, log_time_axis, percent_axis
from archbench.reporting.charts.label_placement import Box, Label, label_fields, label_marks, leader_lines
from archbench.reporting.charts.plane import Plane, Scale
from archbench.reporting.charts.theme import WIDTH, colour_of, dash_of, layered, shape_of, titled, values
from archbench.reporting.charts.thresholds import Reached, default_thresholds, times_to
from archbench.reporting.charts.training import chance_line
from archbench.units import format_percent, format_time

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart
    from archbench.training.records import Chance, Epoch

_HEIGHT = 380
_MARK = 110.0  # square pixels
_PIECE = 8.0  # pixels: the length of the pieces by which labels avoid a curve


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
    """Return a thin curve per seed and a thick one for each model's mean, with marks where thresholds were reached.

    `thresholds` are fractions; the default is one that most models reached (`default_thresholds`).
    """
    levels = tuple(thresholds) or default_thresholds(epochs, chance.top1 or 0.0)
    models = list(dict.fromkeys(epoch.model for epoch in epochs))
    single, means = _single(epochs), _means(epochs)
    plane = _plane(single, width, height or _HEIGHT)
    reached = [each for level in levels for each in times_to(epochs, level)]
    obstacles = [*_lines(plane, levels), *_curves(plane, [*means, *_alone(single)])]
    chart = layered(
        *(chance_line(chance.top1, f"chance {format_percent(chance.top1)}", is_left=True) if chance.top1 else ()),
        _threshold_lines(levels),
        *_curve_marks(single, means, models, plane),
        *_reached_marks(reached, models, plane, obstacles),
    ).properties(width=plane.width, height=plane.height)
    subtitle = (*_subtitle(levels, reached, models), *notes)
    return titled(chart, f"Time to accuracy on {data}", subtitle, width)


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


def _plane(single: Sequence[dict[str, Any]], width: int, height: int) -> Plane:
    times = log_domain([record["elapsed_s"] for record in single] or [1.0])
    axis = log_time_axis("Time of training steps (logarithmic)", *times, grid=False)
    top1 = Scale((0.0, 1.0), percent_axis("Validation accuracy, top-1"))
    return Plane(Scale(times, axis, is_log=True), top1, width, height)


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


def _lines(plane: Plane, levels: Sequence[float]) -> Iterator[Box]:
    """Yield the room of the horizontal lines of thresholds."""
    for level in levels:
        y = plane.height * (1 - plane.y.fraction(level))
        yield 0.0, y - 1, plane.width, y + 1


def _curves(plane: Plane, records: Sequence[dict[str, Any]]) -> Iterator[Box]:
    """Yield the room of curves, in small pieces."""
    points = [((row["model"], row.get("seed")), *plane.place(row["elapsed_s"], row["top1"])) for row in records]
    # A point alone is a curve from itself to itself.
    for (curve, x, y), (next_curve, next_x, next_y) in pairwise([*points, *points[-1:]]):
        if next_curve != curve:
            next_x, next_y = x, y
        pieces = 1 + int(hypot(next_x - x, next_y - y) / _PIECE)
        for i in range(pieces):
            at_x, at_y = x + i / pieces * (next_x - x), y + i / pieces * (next_y - y)
            yield at_x - 3, at_y - 3, at_x + 3, at_y + 3


def _reached_marks(
    reached: Sequence[Reached], models: Sequence[str], plane: Plane, obstacles: Sequence[Box]
) -> tuple[alt.Chart, ...]:
    """Return where thresholds were reached: the span from the first seed to the last, and the mean with its label."""
    base = alt.Chart(values(_reached_records(reached, plane, obstacles))).encode(
        x=plane.across("time_s"), y="threshold:Q"
    )
    colour = colour_of("model", models, "Model")
    spans = base.mark_rule(strokeWidth=3).encode(x=plane.across("low_s"), x2="high_s:Q", color=colour)
    marks = base.mark_point(filled=True, size=_MARK, opacity=1).encode(
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
    return spans, leader_lines(base), marks, label_marks(base)


def _reached_records(reached: Sequence[Reached], plane: Plane, obstacles: Sequence[Box]) -> list[dict[str, Any]]:
    # A threshold reached in no time has no place on a logarithmic axis. Curves rise to the right: marks further right
    # choose first, and take the free places below their own curve, not those of the next one.
    shown = sorted((each for each in reached if each.low_s > 0), key=lambda each: each.time_s, reverse=True)
    labels = [Label(*plane.place(each.time_s, each.threshold), area=_MARK, text=_label(each)) for each in shown]
    fields = label_fields(plane, labels, obstacles=obstacles, show_all=True)
    return [{**asdict(each), **own} for each, own in zip(shown, fields, strict=True)]


def _label(reached: Reached) -> str:
    part = "" if reached.reached_seeds == reached.seeds else f" ({reached.reached_seeds} of {reached.seeds} seeds)"
    return f"{format_time(reached.time_s)}{part}"


def _subtitle(levels: Sequence[float], reached: Sequence[Reached], models: Sequence[str]) -> list[str]:
    """Return the meaning of lines, dots and marks, and which models did not reach a threshold."""
    sentences = [
        "Compilation and warm-up are left out. Thick lines and dots are means over seeds, thin and faint ones single"
        " seeds."
    ]
    if not levels:
        sentences.append("Marks: no threshold reached.")
    for level in levels:
        successful = {each.model for each in reached if each.threshold == level}
        missing = [model for model in models if model not in successful]
        never = f"; not reached by {', '.join(missing)}" if missing else ""
        sentences.append(f"Marks: the end of the first epoch at {format_percent(level)} or above{never}.")
    return sentences
