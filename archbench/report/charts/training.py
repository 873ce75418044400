"""Loss and accuracy by epoch: the mean over the seeds, and the band between the lowest and the highest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import isfinite, log
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal

from archbench.report.charts.axes import percent_axis
from archbench.report.charts.theme import WIDTH, colour_of, dash_of, finished, layered, values
from archbench.units import format_percent

if TYPE_CHECKING:
    import altair as alt

    from archbench.report.charts.theme import Chart
    from archbench.train.records import Epoch

_GAP = 24
_FIELDS = ("train_loss", "validation_loss", "validation_top1")
# A loss that explodes would press all other curves flat: the axis ends at so many times what guessing has.
_MOST_LOSS = 2.0


def training_chart(
    epochs: Sequence[Epoch],
    *,
    data: str,
    num_classes: int,
    width: int = WIDTH,
    height: int | None = None,
    notes: Sequence[str] = (),
) -> Chart:
    """Return the curves of all models of a run: training loss, validation loss, validation accuracy.

    `data` says what was trained on, with its caveat. Chance is marked: ln K for the loss, 1/K for the accuracy. What is
    not finite is left out. `height` is of each of both rows of curves.
    """
    import altair as alt

    models = list(dict.fromkeys(epoch.model for epoch in epochs))
    records = curves(epochs)
    chance_loss = log(num_classes)
    finite = [record["high"] for record in records if record["field"].endswith("loss")]
    most = min(max([*finite, chance_loss]), _MOST_LOSS * chance_loss) * 1.05
    high = height or 230
    half = (width - 60) // 2
    losses = [
        _panel(
            records,
            models,
            field,
            alt.Y("mean:Q", title=title, scale=alt.Scale(domain=[0, most], nice=False)),
            (chance_loss, f"chance: ln {num_classes}"),
        ).properties(width=half, height=high)
        for field, title in (("train_loss", "Training loss"), ("validation_loss", "Validation loss"))
    ]
    accuracy = _panel(
        records,
        models,
        "validation_top1",
        alt.Y("mean:Q", axis=percent_axis("Validation accuracy, top-1"), scale=alt.Scale(domain=[0, 1])),
        (1 / num_classes, f"chance {format_percent(1 / num_classes)}"),
    ).properties(width=width, height=high)
    chart = alt.vconcat(alt.hconcat(*losses, spacing=_GAP), accuracy, spacing=_GAP)
    seeds = len({epoch.seed for epoch in epochs})
    spread = f"mean of {seeds} seeds, bands from lowest to highest" if seeds > 1 else "one seed"
    return finished(chart, f"Training on {data}", (f"{spread[:1].upper()}{spread[1:]}.", *notes), width)


def curves(epochs: Sequence[Epoch]) -> list[dict[str, Any]]:
    """Return a record for each model, epoch and figure, over those of its seeds that are finite there."""
    found: defaultdict[tuple[str, int, str], list[float]] = defaultdict(list)
    for epoch in epochs:
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
    ]


def _panel(
    records: Sequence[dict[str, Any]], models: Sequence[str], field: str, up: alt.Y, chance: tuple[float, str]
) -> alt.LayerChart:
    """Return one figure's curves with the line of chance."""
    import altair as alt

    own = [record for record in records if record["field"] == field]
    scale = alt.Scale(zero=False, nice=False, padding=8)  # room for the first dot and the last
    across = alt.X("epoch:Q", axis=alt.Axis(title="Epoch", tickMinStep=1, format="d", grid=False), scale=scale)
    base = alt.Chart(values(own)).encode(x=across, color=colour_of("model", models, "Model"))
    lines = base.mark_line(strokeWidth=2, clip=True).encode(y=up, strokeDash=dash_of("model", models, "Model"))
    # A run of one epoch has no line.
    dots = base.mark_point(filled=True, size=28, opacity=1, clip=True).encode(
        y=up,
        tooltip=[
            alt.Tooltip("model:N", title="Model"),
            alt.Tooltip("epoch:Q", title="Epoch"),
            alt.Tooltip("mean:Q", title="Mean", format=".4~r"),
            alt.Tooltip("low:Q", title="Lowest", format=".4~r"),
            alt.Tooltip("high:Q", title="Highest", format=".4~r"),
            alt.Tooltip("seeds:Q", title="Seeds"),
        ],
    )
    bands = base.mark_area(opacity=0.18, clip=True, interpolate="linear").encode(y="low:Q", y2="high:Q")
    return layered(*chance_line(*chance), bands, lines, dots)


def chance_line(level: float, words: str, *, is_left: bool = False) -> tuple[alt.Chart, alt.Chart]:
    """Return the level that guessing reaches as a line, and what it is, at the right end or the left."""
    import altair as alt

    base = alt.Chart(values([{"level": level, "words": words}])).encode(y="level:Q")
    side: Literal["left", "right"] = "left" if is_left else "right"
    said = base.mark_text(align=side, baseline="bottom", dx=4 if is_left else -4, dy=-3, style="note")
    place = alt.value(0 if is_left else "width")
    return base.mark_rule(style="reference", strokeDash=[5, 4]), said.encode(x=place, text="words:N")
