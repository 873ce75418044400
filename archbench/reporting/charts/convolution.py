"""The arithmetic of one convolution or pooling: input with padding, window, output, and how one makes the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import altair as alt

from archbench.reporting.charts.theme import layered, titled, values
from archbench.reporting.drawings.canvas import text_width

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart
    from archbench.trace.records import Window

_WIDTH = 800
_MOST_CELLS = 16  # of a grid side by side; of larger ones the upper left corner is drawn
_LARGEST_CELL = 32.0  # pixels
_HEAD = 44  # pixels for the texts above the grids
_LEAST_TEXT = 13  # pixels of a cell that its text needs
_GAP = 64  # pixels between grids
_FILLS = {
    "input": "#9ecae1",
    "padding": "#e4e4e4",
    "first window": "#e69f00",
    "window": "#e69f00",
    "output": "#9ecae1",
    "first output": "#e69f00",
}
_NEXT = "#222222"  # on cells, which are light on dark pages too


@dataclass(frozen=True, slots=True)
class Slide:
    """A window that slides over an input along two dimensions: height and width."""

    window: Window
    input_size: tuple[int, int]
    output_size: tuple[int, int]
    # What stands below the names of the grids.
    texts: tuple[str, str, str]

    def shown(self, place: int) -> tuple[int, int]:
        """Return how many inputs, padding included, and how many outputs are drawn along a dimension."""
        window, size, outputs = self.window, self.input_size[place], self.output_size[place]
        reach = window.dilation[place] * (window.kernel[place] - 1) + 1
        padded = max(size + 2 * window.padding[place], reach)
        if padded <= _MOST_CELLS:
            return padded, outputs
        drawn = min(outputs, max(2, (_MOST_CELLS - reach) // window.stride[place] + 1))
        return min(padded, max(_MOST_CELLS, (drawn - 1) * window.stride[place] + reach)), drawn

    def is_window(self, row: int, column: int) -> bool:
        """Return whether the first output reads an input, counted from the padding's corner."""
        window = self.window
        return all(
            at % d == 0 and at // d < k for at, d, k in zip((row, column), window.dilation, window.kernel, strict=True)
        )

    def is_padding(self, row: int, column: int) -> bool:
        """Return whether an input, counted from the padding's corner, is padding."""
        return not all(
            p <= at < p + n for at, p, n in zip((row, column), self.window.padding, self.input_size, strict=True)
        )


def convolution_chart(
    slide: Slide,
    *,
    title: str,
    subject: Sequence[str],
    width: int = _WIDTH,
    height: int | None = None,
    notes: Sequence[str] = (),
) -> Chart:
    """Return the input's cells, the window's and the output's; `height` is that of the tallest grid, in pixels.

    The window of the first output is filled, that of the next one outlined. Of a large input the corner is drawn.
    """
    (rows, out_rows), (columns, out_columns) = slide.shown(0), slide.shown(1)
    kernel = slide.window.kernel
    most = max(rows, out_rows, kernel[0])
    cell = min(_LARGEST_CELL, (width - 2 * _GAP) / (columns + kernel[1] + out_columns))
    if height is not None:
        cell = height / most
    lefts = _lefts(cell, (columns, kernel[1], out_columns), slide.texts)
    grids = (("Input", rows, columns), ("Window", kernel[0], kernel[1]), ("Output", out_rows, out_columns))
    cells = [
        {
            "grid": name,
            "kind": _kind(slide, name, row, column),
            "left": left + column * cell,
            "right": left + (column + 1) * cell,
            "upper": row * cell,
            "lower": (row + 1) * cell,
        }
        for (name, high, wide), left in zip(grids, lefts, strict=True)
        for row in range(high)
        for column in range(wide)
    ]
    total = max(lefts[2] + max(out_columns * cell, _head_width("Output", slide.texts[2])), 1)
    plane = _Plane(total, most * cell + (16 if _is_cut(slide) else 2))
    parts = [
        plane.cells(cells),
        *plane.outlines(_outlines(slide, cell, lefts)),
        plane.lines(_lines(slide, cell, lefts)),
    ]
    heads = [(left, name, text) for left, (name, *_), text in zip(lefts, grids, slide.texts, strict=True)]
    parts += plane.heads(heads)
    zeros = [{"left": (x + 0.5) * cell, "upper": (y + 0.5) * cell} for y, x in _padding(slide, rows, columns)]
    if zeros and cell >= _LEAST_TEXT:
        parts.append(plane.texts([{**zero, "text": "0"} for zero in zeros], fontSize=10, color=_NEXT))
    if _is_cut(slide):
        parts.append(plane.texts(list(_dots(slide, cell, lefts)), fontSize=16, style="label"))
    chart = layered(*parts).properties(width=round(total), height=round(plane.height + _HEAD))
    return titled(chart, title, [*subject, *notes], max(width, round(total)))


def _padding(slide: Slide, rows: int, columns: int) -> Iterator[tuple[int, int]]:
    """Yield the row and column of each cell of padding that is drawn."""
    yield from ((row, column) for row in range(rows) for column in range(columns) if slide.is_padding(row, column))


def _kind(slide: Slide, grid: str, row: int, column: int) -> str:
    """Return what a cell is, by which it is coloured."""
    if grid == "Window":
        return "window"
    if grid == "Output":
        return "output" if row or column else "first output"
    if slide.is_window(row, column):
        return "first window"
    return "padding" if slide.is_padding(row, column) else "input"


def _head_width(name: str, text: str) -> float:
    return max(text_width(name, 13, bold=True), 0.9 * text_width(text, 12))


def _lefts(cell: float, columns: Sequence[int], texts: Sequence[str]) -> tuple[float, float, float]:
    """Return where each grid begins; a text above a narrow grid needs room too."""
    first, second = (
        max(count * cell, _head_width("", text)) + _GAP for count, text in zip(columns, texts[:2], strict=False)
    )
    return 0.0, first, first + second


def _is_cut(slide: Slide) -> bool:
    return any(slide.shown(place)[1] < slide.output_size[place] for place in (0, 1))


def _reach(slide: Slide, place: int) -> int:
    return slide.window.dilation[place] * (slide.window.kernel[place] - 1) + 1


def _outlines(slide: Slide, cell: float, lefts: Sequence[float]) -> Iterator[dict[str, Any]]:
    """Yield the edges of the next window and of its output, where there is one beside the first."""
    high, wide = (_reach(slide, place) * cell for place in (0, 1))
    if slide.shown(1)[1] > 1:
        at = slide.window.stride[1] * cell
        yield {"left": at, "right": at + wide, "upper": 0, "lower": high}
        yield {"left": lefts[2] + cell, "right": lefts[2] + 2 * cell, "upper": 0, "lower": cell}


def _lines(slide: Slide, cell: float, lefts: Sequence[float]) -> list[dict[str, Any]]:
    """Return the lines from the first window to the kernel, and from there to the first output."""
    high, wide = (_reach(slide, place) * cell for place in (0, 1))
    kernel_high, kernel_wide = (count * cell for count in slide.window.kernel)
    ends = [
        (wide, 0.0, lefts[1], 0.0),
        (wide, high, lefts[1], kernel_high),
        (lefts[1] + kernel_wide, 0.0, lefts[2], 0.0),
        (lefts[1] + kernel_wide, kernel_high, lefts[2], cell),
    ]
    return [{"left": x, "upper": y, "right": to_x, "lower": to_y} for x, y, to_x, to_y in ends]


def _dots(slide: Slide, cell: float, lefts: Sequence[float]) -> Iterator[dict[str, Any]]:
    """Yield places for the signs that a grid goes on, to the right and below."""
    for grid, left in ((0, lefts[0]), (1, lefts[2])):
        high, wide = (slide.shown(place)[grid] for place in (0, 1))
        if slide.shown(1)[1] < slide.output_size[1]:
            yield {"left": left + wide * cell + 9, "upper": high * cell / 2, "text": "…"}
        if slide.shown(0)[1] < slide.output_size[0]:
            yield {"left": left + wide * cell / 2, "upper": high * cell + 7, "text": "⋮"}


@dataclass(frozen=True, slots=True)
class _Plane:
    """Marks by pixels, below the heads of the grids."""

    width: float
    height: float

    def _x(self, field: str) -> alt.X:
        return alt.X(f"{field}:Q", scale=alt.Scale(domain=[0, self.width], nice=False), axis=None)

    def _y(self, field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", scale=alt.Scale(domain=[self.height, -_HEAD], nice=False), axis=None)

    def _rect(self, records: Sequence[dict[str, Any]]) -> alt.Chart:
        chart: alt.Chart = alt.Chart(values(list(records))).encode(
            x=self._x("left"), x2="right:Q", y=self._y("upper"), y2="lower:Q"
        )
        return chart

    def cells(self, records: Sequence[dict[str, Any]]) -> alt.Chart:
        """Return the cells, filled by kind."""
        fill = alt.Scale(domain=list(_FILLS), range=list(_FILLS.values()))
        filled: alt.Chart = (
            self._rect(records)
            .mark_rect(style="outline", strokeWidth=1.5, aria=False)
            .encode(color=alt.Color("kind:N", scale=fill, legend=None))
        )
        return filled

    def outlines(self, records: Iterator[dict[str, Any]]) -> Iterator[alt.Chart]:
        """Yield the dashed outlines of what comes next."""
        shown = list(records)
        if shown:
            yield self._rect(shown).mark_rect(filled=False, stroke=_NEXT, strokeWidth=2.5, strokeDash=[5, 3])

    def lines(self, records: Sequence[dict[str, Any]]) -> alt.Chart:
        """Return lines."""
        drawn: alt.Chart = self._rect(records).mark_rule(style="reference")
        return drawn

    def heads(self, heads: Sequence[tuple[float, str, str]]) -> Iterator[alt.Chart]:
        """Yield the names and texts above the grids."""
        records = [{"left": left, "upper": 0, "name": name, "text": text} for left, name, text in heads]
        base = alt.Chart(values(records)).encode(x=self._x("left"), y=self._y("upper"))
        yield base.mark_text(align="left", dy=-30, style="label", fontWeight="bold", fontSize=13).encode(text="name:N")
        yield base.mark_text(align="left", dy=-12, style="note").encode(text="text:N")

    def texts(self, records: Sequence[dict[str, Any]], **mark: Any) -> alt.Chart:
        """Return texts around their places."""
        written: alt.Chart = (
            alt.Chart(values(records))
            .mark_text(aria=False, **mark)
            .encode(x=self._x("left"), y=self._y("upper"), text="text:N")
        )
        return written
