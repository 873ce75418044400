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

from archbench.reporting.drawings.canvas import MARGIN, Canvas, lighter, text_width
from archbench.reporting.drawings.images import Pixels, colours_of, draw_pixels
from archbench.training.records import Prediction
from archbench.units import format_integer, format_percent

_CELL = 160.0
_GAP = 24.0
_ROW = 17.0
_BAR = 14.0
_HEADING = 20.0
_HEADING_SIZE = 12.0
_TEXT_SIZE = 11.0
_PERCENT_WIDTH = 42.0
_MOST_COLUMNS = 5
_SHARP = 80  # pixels; larger images are not drawn as squares
_KEPT = 320  # pixels; more would only enlarge the file

# Okabe and Ito's orange and blue, lightened for dark text.
_TRUE = lighter("#e69f00", 0.25)
_OTHER = lighter("#0072b2", 0.6)
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

    An image is an array of bytes, (channels, height, width), with one or three channels and any size. Its heading is
    the true class, whose bar has a colour of its own. With `names`, these are the headings and no class is marked true.
    """
    assert len(images) == len(predictions) == len(names or images)
    canvas = Canvas()
    top = canvas.heading(title, subtitle)
    columns = min(len(images), 4 if len(images) <= 8 else _MOST_COLUMNS)
    num_bars = max((len(prediction.classes) for prediction in predictions), default=0)
    height = _HEADING + _CELL + 8 + num_bars * _ROW + _GAP
    for place, (image, prediction) in enumerate(zip(images, predictions, strict=True)):
        x, y = MARGIN + place % columns * (_CELL + _GAP), top + place // columns * height
        heading, remark = (_end(_printable(names[place])), "") if names else _truth(prediction, classes)
        bars = _bars(prediction, classes)
        canvas.begin("prediction", f"{heading}: {', '.join(f'{text} {percent}' for text, percent in bars)}")
        _draw_heading(canvas, heading, remark, x, y)
        _draw_image(canvas, _small(colours_of(image)), x, y + _HEADING)
        _draw_bars(canvas, bars, prediction, x, y + _HEADING + _CELL + 8, is_labelled=not names)
        canvas.end()
    right = MARGIN + columns * (_CELL + _GAP) - _GAP
    bottom = top + -(-len(images) // max(columns, 1)) * height - _GAP
    return canvas.page(title, subtitle, bottom, right, () if names else _LEGEND, caption)


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


def _truth(prediction: Prediction, classes: Sequence[str]) -> tuple[str, str]:
    """Return the true class, and whether the model found it."""
    name = _printable(classes[prediction.label])
    if is_correct(prediction):
        return name, "right"
    is_among = prediction.label in prediction.classes
    return name, "wrong" if is_among else f"not in top {len(prediction.classes)}"


def _bars(prediction: Prediction, classes: Sequence[str]) -> list[tuple[str, str]]:
    """Return the name and probability of each class as text."""
    pairs = zip(prediction.classes, prediction.probabilities, strict=True)
    return [(_printable(classes[place]), format_percent(probability)) for place, probability in pairs]


def _draw_heading(canvas: Canvas, heading: str, remark: str, x: float, y: float) -> None:
    remark_width = text_width(remark, _HEADING_SIZE) + _HEADING_SIZE if remark else 0.0
    name = _fitting(heading, _HEADING_SIZE, _CELL - remark_width, bold=True)
    canvas.text(x, y + _HEADING - 7, name, _HEADING_SIZE, bold=True, remark=remark)


def _end(name: str) -> str:
    """Return a file name, shortened to its end, which tells files apart."""
    most = int(_CELL / text_width("x", _HEADING_SIZE, bold=True))
    return name if len(name) <= most else f"…{name[1 - most :]}"


def _draw_image(canvas: Canvas, pixels: Pixels, x: float, y: float) -> None:
    """Draw an image as large as its cell allows; small images are enlarged by a whole number."""
    height, width = pixels.shape[:2]
    factor = _CELL / max(height, width)
    if max(height, width) <= _SHARP:
        factor = float(int(factor))
    width, height = width * factor, height * factor
    left, top = x + (_CELL - width) / 2, y + (_CELL - height) / 2
    draw_pixels(canvas, pixels, left, top, width, height)
    canvas.rectangle(left, top, width, height, "none")


def _draw_bars(
    canvas: Canvas, bars: Sequence[tuple[str, str]], prediction: Prediction, x: float, y: float, *, is_labelled: bool
) -> None:
    for place, (name, percent) in enumerate(bars):
        is_true = is_labelled and prediction.classes[place] == prediction.label
        row = y + place * _ROW
        probability = prediction.probabilities[place]
        width = _CELL * probability if isfinite(probability) else 0.0
        # No outline: it would cross the text of a short bar.
        canvas.elements.append(
            f'<rect x="{x:g}" y="{row:g}" width="{width:.2f}" height="{_BAR:g}" fill="{_TRUE if is_true else _OTHER}"/>'
        )
        text = _fitting(name, _TEXT_SIZE, _CELL - _PERCENT_WIDTH - 8)
        canvas.text(x + 4, row + 11, text, _TEXT_SIZE, bold=is_true)
        canvas.text(x + _CELL - 2, row + 11, percent, _TEXT_SIZE, anchor="end")


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
