"""SVG: shapes and text are added to a canvas, which becomes a self-contained document."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import wrap
from typing import Literal

from archbench.errors import UsageError, choose, nearest
from archbench.reporting.export.encoding import as_shown
from archbench.units import format_text

Point = tuple[float, float]

PICTURES = (".svg", ".png")

FONT = "sans-serif"
BACKGROUND = "#ffffff"
INK = "#222222"
FAINT = "#595959"
# In a page, drawings take on the page's colours; in a file they have the above, or those of a dark theme.
THEME_PAPER = f"var(--paper, {BACKGROUND})"
THEME_INK = f"var(--ink, {INK})"
THEME_FAINT = f"var(--faint, {FAINT})"
DARK_STYLE = (
    "<style>@media (prefers-color-scheme: dark) "
    "{ .archbench { --ink: #e7e9ec; --faint: #a9b1bb; --paper: #15181c; } }</style>"
)
MARGIN = 24.0

_HEAD = ' marker-end="url(#head)"'
_TITLE_SIZE = 18.0
_SUBTITLE_SIZE = 13.0
_CAPTION_SIZE = 12.0
_LEAST_WIDTH = 420.0
_MOST_PIXELS = 32_000  # of a side of a PNG; more than a tenth of its square needs gigabytes of memory

_LEGEND_GAP = 20.0

_EM_PER_CHARACTER = 0.6  # an upper bound: the viewer's sans-serif typeface is unknown
_EM_PER_BOLD_CHARACTER = 0.66


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return an upper bound of a text's width in a sans-serif typeface, in the unit of `size`."""
    return len(text) * size * (_EM_PER_BOLD_CHARACTER if bold else _EM_PER_CHARACTER)


def escape(text: str) -> str:
    """Return text for an XML document, which may not have control characters even as references."""
    return html.escape(format_text(text))


def lighter(colour: str, share: float) -> str:
    """Return a colour `#rrggbb` mixed with white; a share of 1 is white."""
    channels = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(value + (255 - value) * share):02x}" for value in channels)


@dataclass(slots=True)
class Canvas:
    """SVG elements in the order of drawing."""

    elements: list[str] = field(default_factory=list)

    def polygon(self, points: Iterable[Point], fill: str) -> None:
        """Draw an outlined area. Its outline is dark in any theme, for areas are light."""
        self.elements.append(
            f'<polygon points="{_points(points)}" fill="{fill}" stroke="{INK}" stroke-width="0.7"'
            ' stroke-linejoin="round"/>'
        )

    def rectangle(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        fill: str,
        *,
        radius: float = 0,
        opacity: float = 1,
        outline: str = THEME_INK,
        stroke: float = 0.7,
    ) -> None:
        """Draw an outlined rectangle, with round corners for a positive `radius`; `opacity` is that of the fill."""
        self.elements.append(
            f'<rect x="{_number(x)}" y="{_number(y)}" width="{_number(width)}" height="{_number(height)}"'
            f' rx="{_number(radius)}" fill="{fill}" fill-opacity="{_number(opacity)}"'
            f' stroke="{outline}" stroke-width="{_number(stroke)}"/>'
        )

    def bar(self, x: float, y: float, width: float, height: float, share: float, fill: str) -> None:
        """Draw a share as the filled part of a faint bar."""
        for part, opacity in ((1.0, 0.15), (share, 1.0)):
            self.elements.append(
                f'<rect x="{_number(x)}" y="{_number(y)}" width="{_number(part * width)}" height="{_number(height)}"'
                f' fill="{fill}" fill-opacity="{_number(opacity)}"/>'
            )

    def curve(self, points: Sequence[Point], *, has_head: bool) -> None:
        """Draw a line through four points: vertical except between the middle two, where it bends; a head ends it."""
        (x, y), (_, leave), (end_x, enter), (_, end) = points
        path = f"M{_number(x)},{_number(y)}"
        if abs(x - end_x) >= 0.01:
            middle = _number((leave + enter) / 2)
            path += (
                f" V{_number(leave)} C{_number(x)},{middle} {_number(end_x)},{middle} {_number(end_x)},{_number(enter)}"
            )
        if abs(x - end_x) < 0.01 or end > enter:  # no line without length, which would turn the head
            path += f" V{_number(end)}"
        self.elements.append(f'<path d="{path}" fill="none" stroke="{THEME_INK}"{_HEAD if has_head else ""}/>')

    def arrow(self, points: Iterable[Point]) -> None:
        """Draw a line through the points, with an arrow head at its end."""
        self.elements.append(f'<polyline points="{_points(points)}" fill="none" stroke="{THEME_INK}"{_HEAD}/>')

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        *,
        anchor: Literal["start", "middle", "end"] = "start",
        bold: bool = False,
        colour: str = THEME_INK,
        remark: str = "",
    ) -> None:
        """Write one line with its baseline at `y`; a remark follows it in faint, regular type."""
        weight = ' font-weight="bold"' if bold else ""
        after = f'<tspan dx="{_number(size)}" font-weight="normal" fill="{THEME_FAINT}">{escape(remark)}</tspan>'
        self.elements.append(
            f'<text x="{_number(x)}" y="{_number(y)}" font-size="{_number(size)}" text-anchor="{anchor}"'
            f'{weight} fill="{colour}">{escape(text)}{after if remark else ""}</text>'
        )

    def begin(self, kind: str, title: str, **attributes: str) -> None:
        """Begin a group of elements with a title for screen readers; `end` ends it."""
        more = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
        self.elements.append(f'<g class="{escape(kind)}"{more}><title>{escape(title)}</title>')

    def end(self) -> None:
        """End the group begun last."""
        self.elements.append("</g>")

    def heading(self, title: str, subtitle: str) -> float:
        """Write the title and subtitle, and return their lower end."""
        self.text(MARGIN, MARGIN + _TITLE_SIZE, title, _TITLE_SIZE, bold=True)
        self.text(MARGIN, MARGIN + _TITLE_SIZE + 20, subtitle, _SUBTITLE_SIZE, colour=THEME_FAINT)
        return MARGIN + _TITLE_SIZE + 36

    def page(
        self, title: str, subtitle: str, bottom: float, right: float, legend: Sequence[tuple[str, str]], caption: str
    ) -> str:
        """Return the document: the elements, which end at `bottom` and `right`, a legend of colours, and a caption."""
        widest = max(text_width(title, _TITLE_SIZE, bold=True), text_width(subtitle, _SUBTITLE_SIZE), _LEAST_WIDTH)
        right = max(right, MARGIN + widest)
        x, y = MARGIN, bottom + 2 * _CAPTION_SIZE if legend else bottom
        # In columns: the width of each text is known only as a bound, and after each bound the gaps would be uneven.
        column = max((15 + text_width(meaning, _CAPTION_SIZE) for _, meaning in legend), default=0.0)
        for colour, meaning in legend:
            if x > MARGIN and x + column > right:
                x, y = MARGIN, y + 1.6 * _CAPTION_SIZE
            self.rectangle(x, y - 9, 10, 10, colour)
            self.text(x + 15, y, meaning, _CAPTION_SIZE)
            x += column + _LEGEND_GAP
        y += 0.4 * _CAPTION_SIZE
        for line in wrap(caption, int((right - MARGIN) / text_width("x", _CAPTION_SIZE))):
            y += 1.5 * _CAPTION_SIZE
            self.text(MARGIN, y, line, _CAPTION_SIZE, colour=THEME_FAINT)
        return _document(self.elements, right + MARGIN, y + MARGIN, title, f"{subtitle}. {caption}")


def _document(elements: Sequence[str], width: float, height: float, title: str, description: str) -> str:
    size = f'width="{_number(width)}" height="{_number(height)}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {_number(width)} {_number(height)}"'
        f' class="archbench" role="img" aria-labelledby="title description" font-family="{FONT}">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="description">{escape(description)}</desc>',
        '<defs><marker id="head" viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6" markerHeight="6"'
        f' orient="auto"><path d="M0,0.5 L6,3 L0,5.5 z" fill="{THEME_INK}"/></marker></defs>',
        DARK_STYLE,
        f'<rect {size} fill="{THEME_PAPER}"/>',
    )
    return "\n".join((*head, *elements, "</svg>", ""))


def ending_of(path: Path, format: str | None, endings: Sequence[str] = PICTURES, argument: str = "output") -> str:
    """Return the ending of a format, by default the path's own.

    Raises UsageError, naming the argument that gave the path, for other than these endings.
    """
    if format is not None:
        return f".{choose('format', format, [ending.removeprefix('.') for ending in endings])}"
    ending = path.suffix.lower()
    if ending not in endings:
        hint = nearest(ending, endings) if ending else ""
        raise UsageError(f"{{{argument}}} has none of the endings {', '.join(endings)}{hint}", **{argument: path})
    return ending


def to_picture(svg: str, ending: str) -> str | bytes:
    """Return the content of a file with this ending: the SVG itself, or a PNG of it."""
    return to_png(svg) if ending == ".png" else svg


def to_png(svg: str, scale: float = 2.0) -> bytes:
    """Return SVG as PNG with `scale` pixels per unit, fewer for a very large picture.

    Raises UsageError if vl-convert is missing.
    """
    try:
        import vl_convert
    except ImportError as error:
        raise UsageError("PNG needs vl-convert-python (pip install vl-convert-python), or write .svg") from error
    size = re.search(r'width="([\d.]+)" height="([\d.]+)"', svg)
    if size:
        width, height = float(size[1]), float(size[2])
        scale = min(scale, _MOST_PIXELS / max(width, height, 1), (_MOST_PIXELS**2 / 10 / max(width * height, 1)) ** 0.5)
    # The library knows no variables: a PNG has their values for a light theme.
    svg = re.sub(r"var\(--\w+, (#\w+)\)", r"\1", svg.replace(DARK_STYLE, ""))
    # A file name can hold bytes that are not UTF-8, which the library rejects.
    return bytes(vl_convert.svg_to_png(as_shown(svg, "utf-8"), scale=scale))


def _points(points: Iterable[Point]) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in points)


def _number(value: float) -> str:
    """Return a coordinate with at most two decimals, finer than any screen or printer."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
