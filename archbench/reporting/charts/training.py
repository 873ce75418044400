"""Loss and accuracy by epoch: the mean over the seeds, and the band between the lowest and the highest."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal

from archbench.reporting.charts.axes import nice_step, percent_axis
from archbench.reporting.charts.theme import WIDTH, colour_of, dash_of, finished, layered, shape_of, values
from archbench.reporting.tables.wording import listed
from archbench.units import format_percent

if TYPE_CHECKING:
    import altair as alt

    from archbench.reporting.charts.theme import Chart
    from archbench.training.run_dir.records import Chance, Epoch

_GAP = 24
_FIELDS = ("train_loss", "validation_loss", "validation_top1")
# A loss that explodes would press all other curves flat: the axis ends at so many times what guessing has.
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
    """Return the curves of all models of a run: training loss, validation loss, validation accuracy.

    `data` says what was trained on, with its caveat. What guessing gives is marked where it is known. Epochs that not
    every seed of a model came to with a finite figure are left out. `height` is of each of both rows of curves.
    """
    import altair as alt

    records = curves(epochs)
    models = list(dict.fromkeys(epoch.model for epoch in epochs))
    panels = _Panels(records, models, is_lined=len({record["epoch"] for record in records}) > 1)
    end = _loss_end(records, chance.loss)
    high = height or 230
    half = (width - 60) // 2
    losses = [
        panels.panel(
            field,
            alt.Y("mean:Q", title=title, scale=alt.Scale(domain=[0, end], nice=False)),
            None if chance.loss is None else (chance.loss, f"chance {chance.loss:.3f}"),
        ).properties(width=half, height=high)
        for field, title in (("train_loss", "Training loss"), ("validation_loss", "Validation loss"))
    ]
    accuracy = panels.panel(
        "validation_top1",
        alt.Y("mean:Q", axis=percent_axis("Validation accuracy, top-1"), scale=alt.Scale(domain=[0, 1])),
        None if chance.top1 is None else (chance.top1, f"chance {format_percent(chance.top1)}"),
    ).properties(width=width, height=high)
    chart = alt.vconcat(alt.hconcat(*losses, spacing=_GAP), accuracy, spacing=_GAP)
    # Panels are of two widths.
    chart = chart.resolve_scale(xOffset="independent")
    said = _said(epochs, panels, end)
    return finished(chart, f"Training on {data}", (*said, *notes), width)


def curves(epochs: Sequence[Epoch]) -> list[dict[str, Any]]:
    """Return a record for each model, epoch and figure that is there, and finite, with all seeds of the model.

    A mean over the seeds that are left would jump where one is lost, as if something had been learned.
    """
    seeds: defaultdict[str, set[int]] = defaultdict(set)
    found: defaultdict[tuple[str, int, str], list[float]] = defaultdict(list)
    for epoch in epochs:
        seeds[epoch.model].add(epoch.seed)
        for field in _FIELDS:
            value = getattr(epoch, field)
            if isfinite(value):
                found[epoch.model, epoch.epoch, field].append(value)
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
        for (model, number, field), numbers in sorted(found.items())
        if len(numbers) == len(seeds[model])
    ]


def _loss_end(records: Sequence[dict[str, Any]], chance: float | None) -> float:
    """Return where the axes of losses end; without a loss of guessing they hold all."""
    highest = max([chance or 0.0, *_highest_losses(records)]) or 1.0
    return 1.05 * (min(highest, _MOST_LOSS * chance) if chance else highest)


def _epoch_ticks(records: Sequence[dict[str, Any]]) -> list[int]:
    """Return every epoch, or every second, fifth or tenth; Vega itself would put ticks between few of them."""
    last = max(record["epoch"] for record in records)
    step = max(1, round(nice_step(last / _MOST_TICKS)))
    return list(range(step, last + 1, step))


def _highest_losses(records: Sequence[dict[str, Any]]) -> list[float]:
    return [record["high"] for record in records if record["field"].endswith("loss")]


def _said(epochs: Sequence[Epoch], panels: _Panels, end: float) -> list[str]:
    """Return what lines, bands or bars are, and what is not in the picture."""
    seeds = len({epoch.seed for epoch in epochs})
    spread = "bands" if panels.is_lined else "bars"
    said = [f"Mean of {seeds} seeds, {spread} from lowest to highest." if seeds > 1 else "One seed."]
    there = {(epoch.model, epoch.epoch) for epoch in epochs}
    drawn = Counter((record["model"], record["epoch"]) for record in panels.records)
    short = dict.fromkeys(model for model, number in sorted(there) if drawn[model, number] < len(_FIELDS))
    if short:
        said.append(f"Not drawn of {listed(list(short))}: what is not there, or not finite, with every seed.")
    if max(_highest_losses(panels.records), default=0.0) > end:
        said.append(f"Losses above {end:.3f} are cut.")
    return said


@dataclass(frozen=True, slots=True)
class _Panels:
    """What all panels of a chart share. A single epoch has no lines: there the models stand side by side."""

    records: Sequence[dict[str, Any]]
    models: Sequence[str]
    is_lined: bool

    def panel(self, field: str, up: alt.Y, chance: tuple[float, str] | None) -> alt.LayerChart:
        """Return one figure's curves with the line of chance, where it is known."""
        import altair as alt

        own = [record for record in self.records if record["field"] == field]
        # An epoch alone has neither a line nor a band.
        epochs = Counter(record["model"] for record in own)
        alone = [record for record in own if epochs[record["model"]] == 1]
        place = {**self._across(), "color": colour_of("model", self.models, "Model")}
        base = alt.Chart(values(own)).encode(**place)
        parts = list(chance_line(*chance)) if chance else []
        if self.is_lined:
            dash = dash_of("model", self.models, "Model")
            bands = base.mark_area(opacity=0.18, clip=True, interpolate="linear")
            lines = base.mark_line(strokeWidth=2, clip=True)
            parts += [bands.encode(y="low:Q", y2="high:Q"), lines.encode(y=up, strokeDash=dash)]
        if alone:
            bars = alt.Chart(values(alone)).encode(**place)
            parts.append(bars.mark_rule(strokeWidth=2, clip=True).encode(y="low:Q", y2="high:Q"))
            # Wider than the dot, which may cover the bar.
            ends = bars.mark_tick(orient="horizontal", size=20, thickness=1.5, clip=True)
            parts += [ends.encode(y=f"{bound}:Q") for bound in ("low", "high")]
        return layered(*parts, self._dots(base).encode(y=up))

    def _across(self) -> dict[str, Any]:
        """Return the horizontal place of a record as encodings."""
        import altair as alt

        if not self.is_lined:
            axis = alt.Axis(title="Epoch", labelAngle=0, grid=False)
            return {"x": alt.X("epoch:O", axis=axis), "xOffset": alt.XOffset("model:N", sort=list(self.models))}
        scale = alt.Scale(zero=False, nice=False, padding=8)  # room for the first dot and the last
        axis = alt.Axis(title="Epoch", values=_epoch_ticks(self.records), format="d", grid=False)
        return {"x": alt.X("epoch:Q", axis=axis, scale=scale)}

    def _dots(self, base: alt.Chart) -> alt.Chart:
        """Return a mark a record; where no lines tell models apart, it is of the model's own shape."""
        import altair as alt

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


def chance_line(level: float, words: str, *, is_left: bool = False) -> tuple[alt.Chart, alt.Chart]:
    """Return the level that guessing reaches as a line, and what it is, at the right end or the left."""
    import altair as alt

    base = alt.Chart(values([{"level": level, "words": words}])).encode(y="level:Q")
    side: Literal["left", "right"] = "left" if is_left else "right"
    said = base.mark_text(align=side, baseline="bottom", dx=4 if is_left else -4, dy=-3, style="note")
    place = alt.value(0 if is_left else "width")
    return base.mark_rule(style="reference", strokeDash=[5, 4]), said.encode(x=place, text="words:N")
