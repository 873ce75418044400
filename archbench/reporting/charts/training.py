"""Loss and accuracy by epoch: the mean over the seeds, with a band from the lowest to the highest."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal

import altair as alt

from archbench.reporting.charts.axes import fraction_domain, nice_step, percent_axis
from archbench.reporting.charts.model_names import short_names
from archbench.reporting.charts.theme import WIDTH, colour_of, dash_of, layered, shape_of, titled, values
from archbench.reporting.tables.wording import listed, several
from archbench.units import format_loss, format_percent

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart
    from archbench.training.records import Chance, Epoch

_GAP = 24
_FLUSH_GAP = 70  # pixels: the axis of the right loss stands in it
_FIELDS = ("train_loss", "validation_loss", "validation_top1")
# A diverging loss would flatten all other curves: the axis ends at this many times the loss of guessing.
_MOST_LOSS = 2.0
_MOST_TICKS = 10


def training_chart(
    epochs: Sequence[Epoch],
    *,
    data: str,
    chance: Chance,
    width: int = WIDTH,
    height: int | None = None,
    notes: Sequence[str] = (),
) -> Chart:
    """Return the curves of a run's models: training loss, validation loss, validation accuracy.

    `data` names the data set, with its caveat. The level of guessing is marked where it is known. An epoch is left out
    where a seed of the model lacks it, or has a value that is not finite. `height` is per row of curves, in pixels.
    """
    records = curves(epochs)
    models = list(dict.fromkeys(epoch.model for epoch in epochs))
    panels = _Panels(records, models, is_lined=len({record["epoch"] for record in records}) > 1)
    end = _loss_end(records, chance.loss)
    high = height or 230
    losses = [
        panels.panel(field, _loss_up(title, panels, field, end), _near(panels, field, chance.loss, format_loss))
        for field, title in (("train_loss", "Training loss"), ("validation_loss", "Validation loss"))
    ]
    top1 = _near(panels, "validation_top1", chance.top1, format_percent)
    accuracy = panels.panel("validation_top1", _accuracy_up(panels, top1), top1)
    # Flush: the plots, not their axes, are as wide together as the one below.
    half = {"width": (width - _FLUSH_GAP) // 2, "height": high}
    above = alt.hconcat(*(loss.properties(**half) for loss in losses), spacing=_FLUSH_GAP, bounds="flush")
    chart = alt.vconcat(above, accuracy.properties(width=width, height=high), spacing=_GAP)
    # The panels have two widths.
    chart = chart.resolve_scale(xOffset="independent")
    subtitle = (*_subtitle(epochs, panels, end, data), *_chance_sentence(chance), *notes)
    return titled(chart, _finding(panels), subtitle, width)


def _near(panels: _Panels, field: str, level: float | None, text: Callable[[float], str]) -> tuple[float, str] | None:
    """Return the level of guessing with its label; None where it is unknown, or far from dots of a single epoch."""
    if level is None:
        return None
    numbers = panels.bounds(field)
    low = min(numbers, default=level)
    if not panels.is_lined and abs(level - low) > max(0.05 * level, max(numbers, default=low) - low):
        return None
    return level, f"chance {text(level)}"


def _loss_up(title: str, panels: _Panels, field: str, end: float) -> alt.Y:
    """Return the axis of a loss: from 0 for curves, around the dots of a single epoch."""
    domain = (0.0, end)
    if not panels.is_lined:
        own = [min(number, end) for number in panels.bounds(field)] or [0.0, end]
        room = 0.3 * max(max(own) - min(own), 0.05 * end)
        domain = max(0.0, min(own) - room), min(end, max(own) + room)
    return alt.Y(
        "mean:Q", title=title, scale=alt.Scale(domain=list(domain), nice=False, zero=False), axis=alt.Axis(tickCount=6)
    )


def _accuracy_up(panels: _Panels, chance: tuple[float, str] | None) -> alt.Y:
    """Return the axis of accuracies: around their values, and chance where it is drawn."""
    numbers = [*panels.bounds("validation_top1"), *([chance[0]] if chance else [])]
    domain = fraction_domain(numbers or [0.0, 1.0])
    axis = percent_axis("Validation accuracy, top-1", tickCount=6)
    return alt.Y("mean:Q", axis=axis, scale=alt.Scale(domain=list(domain), nice=False, zero=False))


def _finding(panels: _Panels) -> str:
    """Return the highest accuracy at the end of a model's curve."""
    last = {record["model"]: record for record in panels.records if record["field"] == "validation_top1"}
    if not last:
        return "Training without a finite accuracy"
    best = max(last.values(), key=lambda record: record["mean"])
    highest = f", the highest of {several(len(last), 'model')}" if len(last) > 1 else ""
    name = short_names(panels.models)[best["model"]]
    return f"{name} ends at {format_percent(best['mean'])} validation accuracy{highest}"


def _chance_sentence(chance: Chance) -> list[str]:
    known = [
        text
        for value, text in (
            (chance.loss, f"loss {format_loss(chance.loss or 0.0)}"),
            (chance.top1, f"accuracy {format_percent(chance.top1 or 0.0)}"),
        )
        if value is not None
    ]
    return [f"Guessing gives {' and '.join(known)}."] if known else []


def curves(epochs: Sequence[Epoch]) -> list[dict[str, Any]]:
    """Return a record for each model, epoch and field that is finite for all seeds of the model.

    A mean over the remaining seeds would jump where a seed ends, as if something had been learned.
    """
    seeds: defaultdict[str, set[int]] = defaultdict(set)
    series: defaultdict[tuple[str, int, str], list[float]] = defaultdict(list)
    for epoch in epochs:
        seeds[epoch.model].add(epoch.seed)
        for field in _FIELDS:
            value = getattr(epoch, field)
            if isfinite(value):
                series[epoch.model, epoch.epoch, field].append(value)
    return [
        {
            "model": model,
            "epoch": number,
            "field": field,
            "mean": fmean(numbers),
            "low": min(numbers),
            "high": max(numbers),
            "seeds": len(numbers),
        }
        for (model, number, field), numbers in sorted(series.items())
        if len(numbers) == len(seeds[model])
    ]


def _loss_end(records: Sequence[dict[str, Any]], chance: float | None) -> float:
    """Return the end of the loss axes; where the loss of guessing is unknown they hold every value."""
    highest = max([chance or 0.0, *_highest_losses(records)]) or 1.0
    return 1.05 * (min(highest, _MOST_LOSS * chance) if chance else highest)


def _epoch_ticks(records: Sequence[dict[str, Any]]) -> list[int]:
    """Return every epoch, or every second, fifth or tenth; Vega's own ticks can lie between epochs."""
    last = max(record["epoch"] for record in records)
    step = max(1, round(nice_step(last / _MOST_TICKS)))
    return list(range(step, last + 1, step))


def _highest_losses(records: Sequence[dict[str, Any]]) -> list[float]:
    return [record["high"] for record in records if record["field"].endswith("loss")]


def _subtitle(epochs: Sequence[Epoch], panels: _Panels, end: float, data: str) -> list[str]:
    """Return the meaning of lines, bands or bars, and what was left out."""
    seeds = len({epoch.seed for epoch in epochs})
    spread = "bands" if panels.is_lined else "bars"
    sentences = [f"Mean of {seeds} seeds, {spread} from lowest to highest." if seeds > 1 else "One seed."]
    sentences[0] += f" Trained on {data}."
    ran = {(epoch.model, epoch.epoch) for epoch in epochs}
    drawn = Counter((record["model"], record["epoch"]) for record in panels.records)
    incomplete = dict.fromkeys(model for model, number in sorted(ran) if drawn[model, number] < len(_FIELDS))
    if incomplete:
        sentences.append(f"Not drawn of {listed(list(incomplete))}: what is not there, or not finite, with every seed.")
    if max(_highest_losses(panels.records), default=0.0) > end:
        sentences.append(f"Losses above {format_loss(end)} are cut.")
    return sentences


@dataclass(frozen=True, slots=True)
class _Panels:
    """The data and models that all panels share. A single epoch has no lines: its models stand side by side."""

    records: Sequence[dict[str, Any]]
    models: Sequence[str]
    is_lined: bool

    def bounds(self, field: str) -> list[float]:
        """Return the lowest and highest seeds of a field."""
        own = (record for record in self.records if record["field"] == field)
        return [bound for record in own for bound in (record["low"], record["high"])]

    def panel(self, field: str, up: alt.Y, chance: tuple[float, str] | None) -> alt.LayerChart:
        """Return the curves of one field, with the line of chance where it is known."""
        own = [record for record in self.records if record["field"] == field]
        # A single epoch has neither a line nor a band.
        epochs = Counter(record["model"] for record in own)
        single = [record for record in own if epochs[record["model"]] == 1]
        place = {**self._across(), "color": colour_of("model", self.models, "Model")}
        base = alt.Chart(values(own)).encode(**place)
        parts = list(chance_line(*chance)) if chance else []
        if self.is_lined:
            dash = dash_of("model", self.models, "Model")
            bands = base.mark_area(opacity=0.18, clip=True, interpolate="linear")
            lines = base.mark_line(strokeWidth=2, clip=True)
            parts += [bands.encode(y="low:Q", y2="high:Q"), lines.encode(y=up, strokeDash=dash)]
        if single:
            bars = alt.Chart(values(single)).encode(**place)
            parts.append(bars.mark_rule(strokeWidth=2.5, clip=True).encode(y="low:Q", y2="high:Q"))
            # Wider than the dot, which may cover the bar.
            ends = bars.mark_tick(orient="horizontal", size=20, thickness=1.5, clip=True)
            parts += [ends.encode(y=f"{bound}:Q") for bound in ("low", "high")]
        return layered(*parts, self._dots(base).encode(y=up))

    def _across(self) -> dict[str, Any]:
        """Return the horizontal encodings."""
        if not self.is_lined:
            axis = alt.Axis(title="Epoch", labelAngle=0, grid=False)
            return {"x": alt.X("epoch:O", axis=axis), "xOffset": alt.XOffset("model:N", sort=list(self.models))}
        scale = alt.Scale(zero=False, nice=False, padding=8)  # pixels, for the first dot and the last
        axis = alt.Axis(title="Epoch", values=_epoch_ticks(self.records), format="d", grid=False)
        return {"x": alt.X("epoch:Q", axis=axis, scale=scale)}

    def _dots(self, base: alt.Chart) -> alt.Chart:
        """Return a dot per record; without lines each model has a shape of its own."""
        size, shape = (28, {}) if self.is_lined else (70, {"shape": shape_of("model", self.models, "Model")})
        dots: alt.Chart = base.mark_point(filled=True, size=size, opacity=1, clip=True).encode(
            **shape,
            tooltip=[
                alt.Tooltip("model:N", title="Model"),
                alt.Tooltip("epoch:Q", title="Epoch"),
                alt.Tooltip("mean:Q", title="Mean", format=".4~r"),
                alt.Tooltip("low:Q", title="Lowest", format=".4~r"),
                alt.Tooltip("high:Q", title="Highest", format=".4~r"),
                alt.Tooltip("seeds:Q", title="Seeds"),
            ],
        )
        return dots


def chance_line(level: float, label: str, *, is_left: bool = False) -> tuple[alt.Chart, alt.Chart]:
    """Return the level of guessing as a line, with its label at the right end or the left."""
    base = alt.Chart(values([{"level": level, "text": label}])).encode(y="level:Q")
    side: Literal["left", "right"] = "left" if is_left else "right"
    labels = base.mark_text(align=side, baseline="bottom", dx=4 if is_left else -4, dy=-3, style="note")
    place = alt.value(0 if is_left else "width")
    return base.mark_rule(style="reference", strokeDash=[5, 4]), labels.encode(x=place, text="text:N")
