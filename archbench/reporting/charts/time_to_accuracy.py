"""Accuracy against training time, and when each model first reached a threshold."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import copysign, hypot, log
from statistics import fmean
from typing import TYPE_CHECKING, Any

from archbench.reporting.charts.axes import log_domain, log_time_axis, percent_axis
from archbench.reporting.charts.label_placement import Box, Spot, places
from archbench.reporting.charts.theme import WIDTH, colour_of, dash_of, finished, layered, shape_of, values
from archbench.reporting.charts.training import chance_line
from archbench.units import format_percent, format_time

if TYPE_CHECKING:
    import altair as alt

    from archbench.reporting.charts.theme import Chart
    from archbench.training.run_dir.records import Chance, Epoch

_HEIGHT = 380
_MARK = 110.0  # square pixels
_PIECE = 8.0  # pixels: how finely a curve is followed, for names not to cover it
_THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
_LOW_THRESHOLDS = (0.1, 0.2, 0.3, 0.4)
# Of the way from chance to all right: a threshold that is nearer to chance would show no learning.
_LEFT_CHANCE = 0.05


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
    chance: Chance,
    thresholds: Sequence[float] = (),
    width: int = WIDTH,
    height: int | None = None,
    notes: Sequence[str] = (),
) -> Chart:
    """Return one thin curve a seed and the mean of each model, with marks where thresholds were reached.

    Without `thresholds` it is the one of 50, 60, 70, 80, 90, 95, 98 and 99% that most models reached, the highest;
    where none came to 50%, one of the tens below that is surely above chance, so far as that is known.
    """
    import altair as alt

    levels = tuple(thresholds) or _suitable(epochs, chance.top1 or 0.0)
    models = list(dict.fromkeys(epoch.model for epoch in epochs))
    single: list[dict[str, Any]] = [
        {"model": epoch.model, "seed": epoch.seed, "elapsed_s": epoch.elapsed_s, "top1": epoch.validation_top1}
        for epoch in epochs
        if epoch.elapsed_s > 0
    ]
    means = _means(epochs)
    # A run of warm-up steps alone has taken no time that counts.
    times = log_domain([record["elapsed_s"] for record in single] or [1.0])
    plane = _Plane(times, width, height or _HEIGHT)
    dash = dash_of("model", models, "Model")
    found = [reached for level in levels for reached in times_to(epochs, level)]
    chart = layered(
        *(chance_line(chance.top1, f"chance {format_percent(chance.top1)}", is_left=True) if chance.top1 else ()),
        alt.Chart(values([{"level": level} for level in levels])).mark_rule(style="reference").encode(y="level:Q"),
        plane.points(single, models).mark_line(strokeWidth=1, opacity=0.35).encode(detail="seed:N"),
        # The shapes are in the legend: with dashes it would draw outlines.
        plane.points(means, models).mark_line(strokeWidth=2.5).encode(strokeDash=dash.legend(None)),
        *(
            plane.points(_alone(rows), models)
            .mark_point(filled=True, size=size, opacity=opacity)
            .encode(shape=shape_of("model", models, "Model"))
            for rows, size, opacity in ((single, 16, 0.5), (means, 45, 1.0))
        ),
        *_marks(found, models, plane, [*_lines(plane, levels), *_curves(plane, [*means, *_alone(single)])]),
    )
    sized = chart.properties(width=plane.width, height=plane.height)
    return finished(sized, f"Time to accuracy on {data}", (*_said(levels, found, models), *notes), width)


@dataclass(frozen=True, slots=True)
class _Plane:
    """Time to the right, logarithmic, and accuracy up, over a rectangle of pixels."""

    times: tuple[float, float]
    width: int
    height: int

    def place(self, time_s: float, top1: float) -> tuple[float, float]:
        """Return pixels from the upper left."""
        low, high = self.times
        return self.width * log(time_s / low) / log(high / low), self.height * (1 - top1)

    def values_at(self, x: float, y: float) -> tuple[float, float]:
        """Return the time and the accuracy at a place on the page."""
        low, high = self.times
        return low * (high / low) ** (x / self.width), 1 - y / self.height

    def points(self, rows: Sequence[dict[str, Any]], models: Sequence[str]) -> alt.Chart:
        """Return accuracies at their times, coloured by model, as a chart that lacks its mark."""
        import altair as alt

        up = alt.Y("top1:Q", axis=percent_axis("Validation accuracy, top-1"), scale=alt.Scale(domain=[0, 1]))
        return alt.Chart(values(rows)).encode(
            x=self.across("elapsed_s"), y=up, color=colour_of("model", models, "Model")
        )

    def across(self, field: str) -> alt.X:
        """Return the axis of times, which several fields may be on."""
        import altair as alt

        axis = log_time_axis("Time of training steps (logarithmic)", *self.times, grid=False)
        return alt.X(f"{field}:Q", axis=axis, scale=alt.Scale(type="log", domain=list(self.times), nice=False))


def _alone(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the points that are all there is of a curve: a line through one point draws nothing."""
    points = Counter((row["model"], row.get("seed")) for row in rows)
    return [row for row in rows if points[row["model"], row.get("seed")] == 1]


def _lines(plane: _Plane, levels: Sequence[float]) -> Iterator[Box]:
    """Yield the room of the horizontal lines of thresholds."""
    for level in levels:
        y = plane.height * (1 - level)
        yield 0.0, y - 1, plane.width, y + 1


def _curves(plane: _Plane, rows: Sequence[dict[str, Any]]) -> Iterator[Box]:
    """Yield the room of curves, in small pieces."""
    ends = [((row["model"], row.get("seed")), *plane.place(row["elapsed_s"], row["top1"])) for row in rows]
    # A point alone is a curve from itself to itself.
    for (curve, x, y), (next_curve, next_x, next_y) in pairwise([*ends, *ends[-1:]]):
        if next_curve != curve:
            next_x, next_y = x, y
        pieces = 1 + int(hypot(next_x - x, next_y - y) / _PIECE)
        for i in range(pieces):
            at_x, at_y = x + i / pieces * (next_x - x), y + i / pieces * (next_y - y)
            yield at_x - 3, at_y - 3, at_x + 3, at_y + 3


def _marks(
    found: Sequence[Reached], models: Sequence[str], plane: _Plane, obstacles: Sequence[Box]
) -> tuple[alt.Chart, ...]:
    """Return where thresholds were reached: from the first seed to the last, their mean, and that in words."""
    import altair as alt

    base = alt.Chart(values(_placed(found, plane, obstacles))).encode(x=plane.across("time_s"), y="threshold:Q")
    colour = colour_of("model", models, "Model")
    spans = base.mark_rule(strokeWidth=3).encode(x=plane.across("low_s"), x2="high_s:Q", color=colour)
    far = base.transform_filter("isValid(datum.said_s)").mark_rule(style="reference")
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
    words = base.mark_text(
        align=alt.expr("datum.align"), dx=alt.expr("datum.dx"), dy=alt.expr("datum.dy"), style="label"
    )
    return spans, far.encode(x2="said_s:Q", y2="said_at:Q"), marks, words.encode(text="said:N")


def _placed(found: Sequence[Reached], plane: _Plane, obstacles: Sequence[Box]) -> list[dict[str, Any]]:
    """Return each mark with its words and where they stand; with the other end of a line to them if that is far."""
    # What was reached in no time has no place on a logarithmic axis. Curves rise to the right: what is to the right
    # chooses first, and takes the free places below its curve, not those of the next one.
    shown = sorted((reached for reached in found if reached.low_s > 0), key=lambda one: one.time_s, reverse=True)
    spots = [Spot(*plane.place(one.time_s, one.threshold), area=_MARK, text=_words(one)) for one in shown]
    standing = places(spots, plane.width, plane.height, obstacles=obstacles, all_shown=True)
    records = []
    for reached, spot, place in zip(shown, spots, standing, strict=True):
        # To the edge of the words, which are above or below the mark where they are in the middle.
        end = place.dy - copysign(8, place.dy) if place.align == "center" else place.dy
        said_s, said_at = plane.values_at(spot.x + place.dx, spot.y + end)
        line = {} if place.is_near else {"said_s": said_s, "said_at": said_at}
        where = {"said": spot.text, "dx": place.dx, "dy": place.dy, "align": place.align}
        records.append({**asdict(reached), **where, **line})
    return records


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
    least = chance + _LEFT_CHANCE * (1 - chance)
    for thresholds in (_THRESHOLDS, _LOW_THRESHOLDS):
        counts = {level: len(times_to(epochs, level)) for level in thresholds if level >= least}
        best = max(counts, key=lambda level: (counts[level], level), default=None)
        if best is not None and counts[best]:
            return (best,)
    return ()


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


def _words(reached: Reached) -> str:
    part = "" if reached.reached_seeds == reached.seeds else f" ({reached.reached_seeds} of {reached.seeds} seeds)"
    return f"{format_time(reached.time_s)}{part}"


def _said(levels: Sequence[float], found: Sequence[Reached], models: Sequence[str]) -> list[str]:
    """Return what lines, dots and marks are, and who never came there."""
    said = [
        "Compilation and warm-up are left out. Thick lines and dots are means over seeds, thin and faint ones single"
        " seeds."
    ]
    if not levels:
        said.append("Marks: no threshold reached.")
    for level in levels:
        there = {reached.model for reached in found if reached.threshold == level}
        missing = [model for model in models if model not in there]
        never = f"; not reached by {', '.join(missing)}" if missing else ""
        said.append(f"Marks: the end of the first epoch at {format_percent(level)} or above{never}.")
    return said
