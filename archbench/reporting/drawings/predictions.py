"""A sheet of images with the classes that a model finds most probable, as in figure 4 of the AlexNet paper.

What is shown is chosen by a rule and not by eye: right and wrong answers in equal numbers, spread over the classes.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archbench.reporting.drawings.canvas import MARGIN, Canvas, lighter, text_width
from archbench.reporting.drawings.images import Pixels, colours_of, draw_pixels
from archbench.training.run_dir.records import Prediction
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
_SHARP = 80  # pixels; larger images are smooth anyway
_KEPT = 320  # pixels; more would only make the file larger

# Okabe and Ito's orange and blue, made light enough for dark text.
_TRUE = lighter("#e69f00", 0.25)
_OTHER = lighter("#0072b2", 0.6)
_LEGEND = ((_TRUE, "the true class"), (_OTHER, "another class"))


def chosen(predictions: Sequence[Prediction], count: int) -> list[Prediction]:
    """Return `count` predictions, or all: first right ones, then as many wrong ones, the same at every call.

    Where there are fewer of one kind, more of the other take their places. Each kind is spread over the true classes:
    the first image of each, then the second of each; of more classes than places, those at equal distances.
    """
    right = [prediction for prediction in predictions if is_right(prediction)]
    wrong = [prediction for prediction in predictions if not is_right(prediction)]
    num_wrong = min(len(wrong), max(count // 2, count - len(right)))
    return [*_spread(right, count - num_wrong), *_spread(wrong, num_wrong)]


def choice_note(predictions: Sequence[Prediction], shown: Sequence[Prediction]) -> str:
    """Return the sentences that say how `chosen` came to what is shown, and how often the model is right in truth."""
    total, right, shown_right = len(predictions), sum(map(is_right, predictions)), sum(map(is_right, shown))
    return (
        f"Shown are {shown_right} of {format_integer(right)} right and {len(shown) - shown_right} of"
        f" {format_integer(total - right)} wrong answers, spread over the classes by a rule and not by eye: top-1 over"
        f" all {format_integer(total)} test images is {format_percent(right / total)}."
    )


def is_right(prediction: Prediction) -> bool:
    """Say whether the most probable class is the true one."""
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
    """Return images with their most probable classes as SVG: `images[i]` is what `predictions[i]` was made from.

    An image is bytes (channels, height, width) of one or three channels, of any size. Above it stands its true class,
    whose bar has a colour of its own; with `names` those stand there instead, and no class is taken to be the true one.
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
    """Return so many of them, one of each class in turn."""
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
    """Return the true class and how the model did."""
    name = _printable(classes[prediction.label])
    if is_right(prediction):
        return name, "right"
    is_among = prediction.label in prediction.classes
    return name, "wrong" if is_among else f"not in top {len(prediction.classes)}"


def _bars(prediction: Prediction, classes: Sequence[str]) -> list[tuple[str, str]]:
    """Return each class's name and probability as text."""
    pairs = zip(prediction.classes, prediction.probabilities, strict=True)
    return [(_printable(classes[place]), format_percent(probability)) for place, probability in pairs]


def _draw_heading(canvas: Canvas, heading: str, remark: str, x: float, y: float) -> None:
    remark_width = text_width(remark, _HEADING_SIZE) + _HEADING_SIZE if remark else 0.0
    name = _fitting(heading, _HEADING_SIZE, _CELL - remark_width, bold=True)
    canvas.text(x, y + _HEADING - 7, name, _HEADING_SIZE, bold=True, remark=remark)


def _end(name: str) -> str:
    """Return a file's name, or its end: that is what tells files apart."""
    most = int(_CELL / text_width("x", _HEADING_SIZE, bold=True))
    return name if len(name) <= most else f"…{name[1 - most :]}"


def _draw_image(canvas: Canvas, pixels: Pixels, x: float, y: float) -> None:
    """Draw an image as large as its cell allows; the pixels of a tiny one as squares, all of one size."""
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
        # Without an outline, which would cross the text of a short bar.
        canvas.elements.append(
            f'<rect x="{x:g}" y="{row:g}" width="{_CELL * prediction.probabilities[place]:.2f}" height="{_BAR:g}"'
            f' fill="{_TRUE if is_true else _OTHER}"/>'
        )
        text = _fitting(name, _TEXT_SIZE, _CELL - _PERCENT_WIDTH - 8)
        canvas.text(x + 4, row + 11, text, _TEXT_SIZE, bold=is_true)
        canvas.text(x + _CELL - 2, row + 11, percent, _TEXT_SIZE, anchor="end")


def _fitting(text: str, size: float, width: float, *, bold: bool = False) -> str:
    """Return the text with no more characters than the width has place for."""
    most = max(int(width / text_width("x", size, bold=bold)), 1)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _printable(name: str) -> str:
    """Return a name without what no page can show: a folder's name may hold it."""
    return "".join(character if character.isprintable() else "�" for character in name)


def _small(pixels: Pixels) -> Pixels:
    """Return an image of no more pixels than the sheet can show."""
    if max(pixels.shape[:2]) <= _KEPT:
        return pixels
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((_KEPT, _KEPT))
    return np.asarray(image)
