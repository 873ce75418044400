"""A sheet of images with their most probable classes, as in figure 4 of the AlexNet paper.

The images are selected by a rule: right and wrong answers in equal numbers, spread over the classes.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archbench.reporting.drawings.canvas import MARGIN, THEME_INK, Canvas, text_width
from archbench.reporting.drawings.images import Pixels, colours_of, draw_pixels
from archbench.training.records import Prediction
from archbench.units import format_integer, format_percent

_IMAGE = 160.0
_GAP = 22.0
_ROW = 17.0
_BAR = 12.0
_HEADING = 20.0
_REMARK = 16.0
_HEADING_SIZE = 12.0
_TEXT_SIZE = 11.0
# Name, bar and percentage stand beside each other.
_NAME_WIDTH = 80.0
_BAR_LEFT, _BAR_WIDTH = 84.0, 48.0
_CELL = 176.0
_BADGE = 13.0
_FRAME = 3.0
_SHARP = 80  # pixels; larger images are not drawn as squares
_KEPT = 320  # pixels; more would only enlarge the file

_RIGHT, _WRONG = "#009e73", "#d55e00"
_TRUE, _OTHER = _RIGHT, "#9aa5b1"
_LEGEND = ((_TRUE, "the true class"), (_OTHER, "another class"))


def select_predictions(predictions: Sequence[Prediction], count: int) -> list[Prediction]:
    """Return up to `count` predictions, half of them right and half wrong; the selection is deterministic.

    Where one half has too few, the other has more. Each half is spread over the true classes: the first image of each
    class, then the second; with more classes than places, classes at equal distances.
    """
    right = [prediction for prediction in predictions if is_correct(prediction)]
    wrong = [prediction for prediction in predictions if not is_correct(prediction)]
    num_wrong = min(len(wrong), max(count // 2, count - len(right)))
    return [*_spread(right, count - num_wrong), *_spread(wrong, num_wrong)]


def selection_note(predictions: Sequence[Prediction], shown: Sequence[Prediction]) -> str:
    """Return a sentence on the rule of `select_predictions`, with the accuracy over all predictions."""
    total, right, shown_right = len(predictions), sum(map(is_correct, predictions)), sum(map(is_correct, shown))
    return (
        f"Shown are {shown_right} of {format_integer(right)} right and {len(shown) - shown_right} of"
        f" {format_integer(total - right)} wrong answers, spread over the classes by a rule and not by eye: top-1 over"
        f" all {format_integer(total)} test images is {format_percent(right / total)}."
    )


def is_correct(prediction: Prediction) -> bool:
    """Return whether the most probable class is the true one."""
    return prediction.classes[0] == prediction.label


def prediction_sheet(
    images: Sequence[NDArray[Any]],
    predictions: Sequence[Prediction],
    classes: Sequence[str],
    *,
    title: str,
    subtitle: str,
    caption: str = "",
    names: Sequence[str] = (),
) -> str:
    """Return images with their most probable classes as SVG; `predictions[i]` belongs to `images[i]`.

    An image is an array of bytes, (channels, height, width), with one or three channels and any size. Its heading has a
    tick, or a cross with what the model saw and what the image is; the bar of the true class has a colour of its own.
    With `names`, these are the headings and no class is marked true.
    """
    assert len(images) == len(predictions) == len(names or images)
    canvas = Canvas()
    top = canvas.heading(title, subtitle)
    columns = _columns(len(images))
    num_bars = max((len(prediction.classes) for prediction in predictions), default=0)
    above = _HEADING if names else _HEADING + _REMARK
    height = above + _IMAGE + 10 + num_bars * _ROW + _GAP
    for place, (image, prediction) in enumerate(zip(images, predictions, strict=True)):
        x, y = MARGIN + place % columns * (_CELL + _GAP), top + place // columns * height
        heading, remark = (_end(_printable(names[place])), "") if names else _answer(prediction, classes)
        bars = _bars(prediction, classes)
        said = f"{heading}, {remark}" if remark else heading
        canvas.begin("prediction", f"{said}: {', '.join(f'{text} {percent}' for text, percent in bars)}")
        _draw_heading(canvas, heading, remark, x, y, None if names else is_correct(prediction))
        frame = THEME_INK if names else _RIGHT if is_correct(prediction) else _WRONG
        _draw_image(canvas, _small(colours_of(image)), x, y + above, frame, 0.7 if names else _FRAME)
        _draw_bars(canvas, bars, prediction, x, y + above + _IMAGE + 10, is_labelled=not names)
        canvas.end()
    right = MARGIN + columns * (_CELL + _GAP) - _GAP
    bottom = top + -(-len(images) // max(columns, 1)) * height - _GAP
    return canvas.page(title, subtitle, bottom, right, () if names else _LEGEND, caption)


def _columns(count: int) -> int:
    """Return the number of images per row: one that leaves no hole, where there is one."""
    if count <= 8:
        return min(count, 4)
    return next((columns for columns in (6, 5, 4) if count % columns == 0), 6)


def _spread(predictions: Sequence[Prediction], count: int) -> list[Prediction]:
    """Return `count` predictions, one of each class in turn."""
    waiting: dict[int, deque[Prediction]] = defaultdict(deque)
    for prediction in predictions:
        waiting[prediction.label].append(prediction)
    taken: list[Prediction] = []
    while len(taken) < min(count, len(predictions)):
        labels = sorted(label for label, queue in waiting.items() if queue)
        places = min(count - len(taken), len(labels))
        taken += [waiting[labels[place * len(labels) // places]].popleft() for place in range(places)]
    return taken


def _answer(prediction: Prediction, classes: Sequence[str]) -> tuple[str, str]:
    """Return what the model saw, and for a wrong answer what the image is."""
    seen, name = (_printable(classes[place]) for place in (prediction.classes[0], prediction.label))
    if is_correct(prediction):
        return name, ""
    return f"saw {seen}", f"is {name}"


def _bars(prediction: Prediction, classes: Sequence[str]) -> list[tuple[str, str]]:
    """Return the name and probability of each class as text."""
    pairs = zip(prediction.classes, prediction.probabilities, strict=True)
    return [(_printable(classes[place]), format_percent(probability)) for place, probability in pairs]


def _draw_heading(canvas: Canvas, heading: str, remark: str, x: float, y: float, is_right: bool | None) -> None:
    """Write the heading, after a tick or a cross where it is known which, and the remark below it."""
    baseline = y + _HEADING - 7
    left = 0.0
    if is_right is not None:
        left = _BADGE + 5
        _draw_badge(canvas, x, baseline + 1 - _BADGE, is_right=is_right)
    canvas.text(x + left, baseline, _fitting(heading, _HEADING_SIZE, _CELL - left, bold=True), _HEADING_SIZE, bold=True)
    if remark:
        canvas.text(x + left, baseline + _REMARK, _fitting(remark, _HEADING_SIZE, _CELL - left), _HEADING_SIZE)


def _draw_badge(canvas: Canvas, x: float, y: float, *, is_right: bool) -> None:
    """Draw a tick or a cross; as lines, because not every typeface has the signs."""
    tick = f"M{x + 1:g},{y + 7:g} l4,4 l7,-9"
    cross = f"M{x + 2:g},{y + 2:g} l9,9 M{x + 11:g},{y + 2:g} l-9,9"
    path, colour = (tick, _RIGHT) if is_right else (cross, _WRONG)
    canvas.elements.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>')


def _end(name: str) -> str:
    """Return a file name, shortened to its end, which tells files apart."""
    most = int(_CELL / text_width("x", _HEADING_SIZE, bold=True))
    return name if len(name) <= most else f"…{name[1 - most :]}"


def _draw_image(canvas: Canvas, pixels: Pixels, x: float, y: float, frame: str, stroke: float) -> None:
    """Draw an image as large as its place allows, in a frame; small images are enlarged by a whole number."""
    height, width = pixels.shape[:2]
    factor = _IMAGE / max(height, width)
    if max(height, width) <= _SHARP:
        factor = float(int(factor))
    width, height = width * factor, height * factor
    left, top = x + (_IMAGE - width) / 2, y + (_IMAGE - height) / 2
    draw_pixels(canvas, pixels, left, top, width, height)
    canvas.rectangle(left, top, width, height, "none", outline=frame, stroke=stroke)


def _draw_bars(
    canvas: Canvas, bars: Sequence[tuple[str, str]], prediction: Prediction, x: float, y: float, *, is_labelled: bool
) -> None:
    """Draw a row per class: its name, a bar, its probability."""
    for place, (name, percent) in enumerate(bars):
        is_true = is_labelled and prediction.classes[place] == prediction.label
        row = y + place * _ROW
        probability = prediction.probabilities[place]
        width = _BAR_WIDTH * probability if isfinite(probability) else 0.0
        canvas.elements.append(
            f'<rect x="{x + _BAR_LEFT:g}" y="{row:g}" width="{width:.2f}" height="{_BAR:g}"'
            f' fill="{_TRUE if is_true else _OTHER}"/>'
        )
        text = _fitting(name, _TEXT_SIZE, _NAME_WIDTH, bold=is_true)
        canvas.text(x, row + 10, text, _TEXT_SIZE, bold=is_true)
        canvas.text(x + _CELL, row + 10, percent, _TEXT_SIZE, anchor="end")


def _fitting(text: str, size: float, width: float, *, bold: bool = False) -> str:
    """Return a text cut to the characters that fit a width."""
    most = max(int(width / text_width("x", size, bold=bold)), 1)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _printable(name: str) -> str:
    """Return a name with unprintable characters replaced; class names can come from folders."""
    return "".join(character if character.isprintable() else "�" for character in name)


def _small(pixels: Pixels) -> Pixels:
    """Return an image reduced to the pixels that the sheet can show."""
    if max(pixels.shape[:2]) <= _KEPT:
        return pixels
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((_KEPT, _KEPT))
    return np.asarray(image)
