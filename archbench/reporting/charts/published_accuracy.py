"""Published accuracy against published rate, with the models that none exceeds in both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import altair as alt

from archbench.analyze.pareto import pareto_front
from archbench.reporting.charts.axes import log_axis, log_domain, percent_axis
from archbench.reporting.charts.label_placement import (
    Box,
    Label,
    label_fields,
    label_marks,
    leader_lines,
    placement_fields,
)
from archbench.reporting.charts.label_stairs import label_boxes, overhang, place_above
from archbench.reporting.charts.plane import Plane, Scale
from archbench.reporting.charts.theme import COLOURS, WIDTH, layered, titled, values
from archbench.units import format_integer

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart
    from archbench.store.published import PublishedAccuracy, PublishedRate

HEIGHT = 480
_DOT, _LARGE_DOT = 22.0, 60.0  # square pixels: other points, and those of the Pareto line
_FEW = 20  # so many points all have labels
_FAINT = 0.5  # opacity of leader lines, of which there are many
_HALF_LINE = 3.0  # pixels that labels keep from the line
_TRIALS = 10  # to make room for the labels: room for them moves the points

Point = tuple["PublishedRate", "PublishedAccuracy"]


def published_accuracy_chart(points: Sequence[Point], *, width: int = WIDTH, height: int | None = None) -> Chart:
    """Return top-1 accuracy against images per second, logarithmic, with the Pareto line.

    There is at least one point, and the rates are of one file. Labels are for the points of the Pareto line, for all
    if there are few.
    """
    front = pareto_front([(rate.images_per_s, accuracy.top1) for rate, accuracy in points])
    records = _records(points)
    best = [records[index] for index in front]
    others = [record for index, record in enumerate(records) if index not in set(front)]
    plane = _plane(best, others, _rate_title(points[0][0].mode), width, height or HEIGHT)
    best, others = _with_labels(plane, best, others)
    below, above = _base(plane, others), _base(plane, best)
    chart = layered(
        below.mark_point(filled=True, color=COLOURS[6], opacity=0.45, size=_DOT),
        leader_lines(above, _FAINT),
        _line(plane, best),
        above.mark_point(filled=True, color=COLOURS[1], opacity=1, size=_LARGE_DOT),
        label_marks(above),
        *((leader_lines(below, _FAINT), label_marks(below)) if len(points) <= _FEW else ()),
    ).properties(width=plane.width, height=plane.height)
    return titled(chart, f"Accuracy against throughput on {points[0][0].device}", _subtitle(points, len(front)), width)


def _records(points: Sequence[Point]) -> list[dict[str, Any]]:
    """Return a record per point; its text is the model's name, with the image size where the model has several."""
    sizes = Counter(rate.model for rate, _ in points)
    texts = (rate.model if sizes[rate.model] == 1 else f"{rate.model}, {rate.img_size} px" for rate, _ in points)
    return [{**_record(*point), "text": text} for point, text in zip(points, texts, strict=True)]


def _record(rate: PublishedRate, accuracy: PublishedAccuracy) -> dict[str, Any]:
    return {
        "model": rate.model,
        "img_size": rate.img_size,
        "images_per_s": rate.images_per_s,
        "batch": rate.batch,
        "top1": accuracy.top1,
        "weights": accuracy.weights,
        "origin": "published",
    }


def _rate_title(mode: str) -> str:
    return f"Images per second, {'inference' if mode == 'eval' else 'training'} (logarithmic)"


def _plane(
    best: Sequence[dict[str, Any]], others: Sequence[dict[str, Any]], title: str, width: int, height: int
) -> Plane:
    """Return a plane with room for the points, and at the right and the top for the labels of the Pareto line."""
    rates = log_domain([record["images_per_s"] for record in (*best, *others)], room=0.03)
    top1 = [record["top1"] for record in (*best, *others)]
    room = 0.06 * max(max(top1) - min(top1), 0.05)
    low, high = max(0.0, min(top1) - room), max(top1) + room
    right = top = 0.0
    for _ in range(_TRIALS):
        x = rates[0], rates[0] * (rates[1] / rates[0]) ** (width / (width - right))
        y = low, min(1.0, low + (high - low) * height / (height - top))
        plane = Plane(
            Scale(x, log_axis(title, *x), is_log=True), Scale(y, percent_axis("ImageNet top-1 accuracy")), width, height
        )
        labels = _labels(plane, best)
        more_right, more_top = overhang(labels, place_above(labels), width)
        if more_right <= 0 and more_top <= 0:
            break
        right, top = min(right + max(0.0, more_right), width / 2), min(top + max(0.0, more_top), height / 2)
    return plane


def _with_labels(
    plane: Plane, best: Sequence[dict[str, Any]], others: Sequence[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the records with the fields of their labels; the other points have labels if there are few."""
    labels = _labels(plane, best)
    placements = place_above(labels)
    fields = [placement_fields(plane, *pair) for pair in zip(labels, placements, strict=True)]
    if len(best) + len(others) > _FEW:
        return _merged(best, fields), list(others)
    marks = [(label.x - 4, label.y - 4, label.x + 4, label.y + 4) for label in labels]
    obstacles = [*label_boxes(labels, placements), *_line_boxes(plane, best), *marks]
    other_fields = label_fields(plane, _labels(plane, others), obstacles=obstacles, show_all=True)
    return _merged(best, fields), _merged(others, other_fields)


def _merged(records: Sequence[dict[str, Any]], fields: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**record, **own} for record, own in zip(records, fields, strict=True)]


def _labels(plane: Plane, records: Sequence[dict[str, Any]]) -> list[Label]:
    return [
        Label(*plane.place(record["images_per_s"], record["top1"]), area=_LARGE_DOT, text=record["text"])
        for record in records
    ]


def _base(plane: Plane, records: Sequence[dict[str, Any]]) -> alt.Chart:
    base: alt.Chart = alt.Chart(values(records)).encode(
        x=plane.across("images_per_s"),
        y=plane.up("top1"),
        tooltip=[
            alt.Tooltip("model:N", title="Model"),
            alt.Tooltip("weights:N", title="Weights"),
            alt.Tooltip("img_size:Q", title="Image size"),
            alt.Tooltip("top1:Q", title="Top-1", format=".1%"),
            alt.Tooltip("images_per_s:Q", title="Images/s", format=",.0f"),
            alt.Tooltip("batch:Q", title="Batch", format=","),
            alt.Tooltip("origin:N", title="From"),
        ],
    )
    return base


def _line(plane: Plane, best: Sequence[dict[str, Any]]) -> alt.Chart:
    """Return the Pareto line as steps: between two of its points, only the faster one's accuracy is available."""
    line: alt.Chart = (
        alt.Chart(values(best))
        .mark_line(interpolate="step-before", color=COLOURS[1], strokeWidth=1.5)
        .encode(x=plane.across("images_per_s"), y=plane.up("top1"))
    )
    return line


def _line_boxes(plane: Plane, best: Sequence[dict[str, Any]]) -> list[Box]:
    """Return the room of the steps: from each point down, then across to the next."""
    boxes = []
    places = [plane.place(record["images_per_s"], record["top1"]) for record in best]
    for (x, y), (next_x, next_y) in pairwise(places):
        boxes += [(x - _HALF_LINE, y, x + _HALF_LINE, next_y), (x, next_y - _HALF_LINE, next_x, next_y + _HALF_LINE)]
    return boxes


def _subtitle(points: Sequence[Point], in_front: int) -> list[str]:
    rate, accuracy = points[0]
    return [
        f"Published by timm, not measured here: {rate.conditions}. A point is a model at an image size, with its most "
        "accurate weights, whatever data they were trained on.",
        f"Line: {in_front} of {format_integer(len(points))} points; no other is both faster and more accurate. "
        f"From {rate.source} and {accuracy.source}.",
    ]
