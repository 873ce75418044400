"""The confusion matrix of a training's models, with the accuracy of each class beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import altair as alt

from archbench.reporting.charts.axes import percent_axis
from archbench.reporting.charts.model_names import short_names
from archbench.reporting.charts.theme import WIDTH, layered, titled, values
from archbench.reporting.drawings.canvas import text_width
from archbench.reporting.tables.wording import several
from archbench.units import format_integer, format_percent

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart
    from archbench.training.records import Prediction

_MOST_CLASSES = 20
_MOST_NUMBERS = 12  # classes with numbers in their cells
_BARS = 150  # pixels: the widest bar with its number
_LABEL = 12
_OTHERS = "others"
# As in the sheets of predictions.
_RIGHT, _WRONG = "#009e73", "#d55e00"


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often each class of test images was taken for each, over all seeds of a model; classes are indices."""

    model: str
    counts: Mapping[tuple[int, int], int]
    seeds: int

    def images(self, label: int) -> int:
        """Return the number of test images of a class, in all seeds together."""
        return sum(count for (true, _), count in self.counts.items() if true == label)

    def accuracy(self, label: int) -> float:
        """Return the part of a class's images that was recognised; 1 for a class without images."""
        images = self.images(label)
        return self.counts.get((label, label), 0) / images if images else 1.0


def confusion_of(model: str, by_seed: Sequence[Sequence[Prediction]]) -> Confusion:
    """Return a model's confusion from the predictions of its seeds."""
    pairs = Counter((each.label, each.classes[0]) for predictions in by_seed for each in predictions)
    return Confusion(model, pairs, len(by_seed))


def confusion_chart(
    confusions: Sequence[Confusion],
    classes: Sequence[str],
    *,
    data: str,
    width: int = WIDTH,
    height: int | None = None,
    notes: Sequence[str] = (),
) -> Chart:
    """Return one matrix per model, rows the true classes, with a bar of accuracy for each; there is at least one model.

    Of more than 20 classes those that are recognised least are shown, and the others together. `height` is that of
    each matrix, in pixels.
    """
    shown = _shown(confusions, len(classes))
    names = short_names(each.model for each in confusions)
    side = max(120, int(width - _BARS - max(text_width(classes[label], _LABEL) for label in shown)))
    panels = [
        _panel(each, shown, classes, (side, height or side)).properties(
            title=alt.TitleParams(f"{names[each.model]}: {_accuracy_text(each)}", fontSize=14)
        )
        for each in confusions
    ]
    chart = panels[0] if len(panels) == 1 else alt.vconcat(*panels, spacing=24)
    subtitle = (*_subtitle(confusions, len(shown), len(classes), data), *notes)
    return titled(chart, _finding(confusions, shown, classes, names), subtitle, width)


def _shown(confusions: Sequence[Confusion], num_classes: int) -> list[int]:
    """Return the classes that have room, in their order: of many those with the lowest accuracy."""
    accuracies = {label: sum(each.accuracy(label) for each in confusions) for label in range(num_classes)}
    return sorted(sorted(accuracies, key=accuracies.__getitem__)[:_MOST_CLASSES])


def _panel(
    confusion: Confusion, shown: Sequence[int], classes: Sequence[str], size: tuple[int, int]
) -> alt.HConcatChart:
    side, high = size
    cells = _cells(confusion, shown, classes)
    columns = [classes[label] for label in shown]
    if any(cell["seen"] == _OTHERS for cell in cells):
        columns.append(_OTHERS)
    rows = [classes[label] for label in shown]
    matrix = _matrix(cells, rows, columns).properties(width=side, height=high)
    bars = _bars([_bar(confusion, label, classes) for label in shown], rows).properties(width=_BARS - 40, height=high)
    return alt.hconcat(matrix, bars, spacing=12)


def _cells(confusion: Confusion, shown: Sequence[int], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return a record per cell that is not empty; classes that are not shown are seen as others."""
    merged = Counter[tuple[int, str]]()
    for (label, seen), count in confusion.counts.items():
        if label in shown:
            merged[label, classes[seen] if seen in shown else _OTHERS] += count
    return [
        {
            "label": classes[label],
            "seen": seen,
            "count": count,
            "share": count / confusion.images(label),
            "answer": "right" if classes[label] == seen else "wrong",
        }
        for (label, seen), count in sorted(merged.items())
    ]


def _bar(confusion: Confusion, label: int, classes: Sequence[str]) -> dict[str, Any]:
    images = confusion.images(label)
    accuracy = confusion.accuracy(label) if images else None
    text = "no images" if accuracy is None else format_percent(accuracy)
    return {"label": classes[label], "accuracy": accuracy, "images": images, "text": text}


def _matrix(cells: Sequence[dict[str, Any]], rows: Sequence[str], columns: Sequence[str]) -> alt.LayerChart:
    angle = 0 if max(map(len, columns)) <= 3 else -45
    across = alt.X(
        "seen:N",
        sort=list(columns),
        scale=alt.Scale(domain=list(columns)),
        axis=alt.Axis(title="Seen as", labelAngle=angle),
    )
    down = alt.Y("label:N", sort=list(rows), scale=alt.Scale(domain=list(rows)), axis=alt.Axis(title="True class"))
    base = alt.Chart(values(cells)).encode(x=across, y=down)
    answers = alt.Scale(domain=["right", "wrong"], range=[_RIGHT, _WRONG])
    squares = base.mark_rect().encode(
        color=alt.Color("answer:N", title="Answer", scale=answers, legend=alt.Legend(symbolType="square")),
        # The square root: a few errors among many right answers are still to be seen.
        opacity=alt.Opacity("share:Q", scale=alt.Scale(type="sqrt", domain=[0, 1], range=[0, 1]), legend=None),
        tooltip=[
            alt.Tooltip("label:N", title="True class"),
            alt.Tooltip("seen:N", title="Seen as"),
            alt.Tooltip("count:Q", title="Images", format=","),
            alt.Tooltip("share:Q", title="Of the class", format=".1%"),
        ],
    )
    if len(rows) > _MOST_NUMBERS:
        return layered(squares)
    return layered(squares, base.mark_text(style="label").encode(text="count:Q"))


def _bars(records: Sequence[dict[str, Any]], rows: Sequence[str]) -> alt.LayerChart:
    down = alt.Y("label:N", sort=list(rows), scale=alt.Scale(domain=list(rows)), axis=None)
    across = alt.X("accuracy:Q", scale=alt.Scale(domain=[0, 1]), axis=percent_axis("Recognised", tickCount=3))
    base = alt.Chart(values(records)).encode(y=down)
    bars = base.mark_bar(color=_RIGHT, height={"band": 0.7}).encode(
        x=across,
        tooltip=[
            alt.Tooltip("label:N", title="Class"),
            alt.Tooltip("accuracy:Q", title="Recognised", format=".1%"),
            alt.Tooltip("images:Q", title="Images", format=","),
        ],
    )
    numbers = base.mark_text(align="left", dx=6, style="label").encode(x=alt.value("width"), text="text:N")
    return layered(bars, numbers)


def _accuracy_text(confusion: Confusion) -> str:
    images = sum(confusion.counts.values())
    right = sum(count for (true, seen), count in confusion.counts.items() if true == seen)
    return f"{format_percent(right / images)} right"


def _finding(
    confusions: Sequence[Confusion], shown: Sequence[int], classes: Sequence[str], names: Mapping[str, str]
) -> str:
    """Return the most frequent error of a single model, or of several the class that is recognised least."""
    if len(confusions) > 1:
        mean = {label: sum(each.accuracy(label) for each in confusions) / len(confusions) for label in shown}
        hardest = min(mean, key=mean.__getitem__)
        recognised = format_percent(mean[hardest])
        return f"Hardest class for {several(len(confusions), 'model')}: {classes[hardest]}, {recognised} recognised"
    (confusion,) = confusions
    errors = {pair: count for pair, count in confusion.counts.items() if pair[0] != pair[1]}
    if not errors:
        return f"{names[confusion.model]} recognises every test image"
    (label, seen), count = max(errors.items(), key=lambda each: each[1] / confusion.images(each[0][0]))
    share = format_percent(count / confusion.images(label))
    return f"{names[confusion.model]} takes {share} of the images of {classes[label]} for {classes[seen]}"


def _subtitle(confusions: Sequence[Confusion], shown: int, total: int, data: str) -> list[str]:
    seeds = sorted({each.seeds for each in confusions})
    images = sorted({sum(each.counts.values()) // each.seeds for each in confusions})
    counted = " or ".join(format_integer(number) for number in images)
    over = f"{' or '.join(map(str, seeds))} {'seed' if seeds == [1] else 'seeds'}"
    right = f"; {_accuracy_text(confusions[0])}" if len(confusions) == 1 else ""
    sentences = [
        f"Trained on {data}: {counted} test images, answers of {over} together{right}."
        " Colour is the part of a class's images."
    ]
    if shown < total:
        sentences.append(f"Of {format_integer(total)} classes the {shown} that are recognised least.")
    return sentences
