"""The theme of all charts: Paul Tol's muted palette for series, shapes and dashes to go with it, generic fonts.

Colours of text and lines stand only in the configuration, so that a page can replace it. Marks name a style:
`reference` for lines to compare data with, `label` and `note` for text, `outline` for the borders of areas.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any, TypedDict

import altair as alt

from archbench.reporting.drawings.canvas import BACKGROUND, FAINT, FONT, INK, text_width

Chart = alt.Chart | alt.LayerChart | alt.ConcatChart | alt.HConcatChart | alt.VConcatChart

WIDTH = 640  # pixels between the axes; the whole chart is about 800 wide

# Of Paul Tol's muted colours those that are neither too faint on white nor too dark on a dark page, and grey. They are
# for models and other series: kinds of layers have Okabe and Ito's, categories of memory slate and violet.
# 7, 5 and 4 are pairwise coprime: up to 20 series, no two share more than one of colour, shape and dash.
COLOURS = ("#aa4499", "#44aa99", "#cc6677", "#999933", "#88ccee", "#117733", "#7f7f7f")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross")
DASHES = ((1, 0), (7, 3), (2, 2), (9, 3, 2, 3))

_SUBTITLE_SIZE = 13
_MOST_LINES = 4  # per sentence of the subtitle; the chart's description has the whole text
_DARK = {"ink": "#eeeeee", "faint": "#b5b5b5", "grid": "#3a3a3a", "paper": "transparent"}
_LIGHT = {"ink": INK, "faint": FAINT, "grid": "#e3e3e3", "paper": BACKGROUND}


class Size(TypedDict, total=False):
    """The size of a plot without its axes, in pixels, as keyword arguments."""

    width: int
    height: int


def config(*, dark: bool = False) -> dict[str, Any]:
    """Return the Vega-Lite configuration: dark text on white, or for a dark page light text on no background."""
    colours = _DARK if dark else _LIGHT
    ink, faint = colours["ink"], colours["faint"]
    text = {"labelColor": ink, "titleColor": ink, "labelFontSize": 12, "titleFontSize": 13, "titleFontWeight": "normal"}
    return {
        "background": colours["paper"],
        "font": FONT,
        "padding": 16,
        "title": {
            "anchor": "start",
            "color": ink,
            "fontSize": 18,
            "offset": 16,
            "subtitleColor": faint,
            "subtitleFontSize": _SUBTITLE_SIZE,
            "subtitlePadding": 6,
        },
        "axis": {
            **text,
            "domainColor": faint,
            "gridColor": colours["grid"],
            "labelLimit": 260,
            "tickColor": faint,
            "titlePadding": 8,
        },
        "header": {**text, "labelFontSize": 14, "labelFontWeight": "bold"},
        # A limit of 0 lifts Vega's default of 30 symbols.
        "legend": {**text, "labelLimit": 300, "symbolLimit": 0, "symbolSize": 120, "symbolStrokeWidth": 2},
        "range": {"category": list(COLOURS), "symbol": list(SHAPES)},
        "style": {
            "reference": {"color": faint, "strokeWidth": 1.2},
            "label": {"color": ink, "fontSize": 12},
            "note": {"color": faint, "fontSize": 12},
            "outline": {"stroke": BACKGROUND if not dark else "#222222", "strokeWidth": 0.5},
        },
        "view": {"stroke": None},
    }


def titled(chart: Chart, title: str, subtitle: Sequence[str], width: int) -> Chart:
    """Return a chart with its title, its subtitle wrapped to the width, and the shared configuration."""
    lines = [line for sentence in subtitle for line in _wrapped(sentence, width)]
    description = f"{title}. {' '.join(subtitle)}"
    heading = alt.TitleParams(title, subtitle=lines)
    configured: Chart = chart.properties(title=heading, description=description).configure(**config())
    return configured


def _wrapped(sentence: str, width: int) -> list[str]:
    # `text_width` is an upper bound, and beside the plot there are axis and legend: 1.4 times the letters still fit.
    letters = max(20, int(1.4 * width / text_width("x", _SUBTITLE_SIZE)))
    return wrap(sentence, letters, max_lines=_MOST_LINES, placeholder=" …")


def layered(*parts: alt.Chart | alt.LayerChart) -> alt.LayerChart:
    """Return charts as layers, the first at the bottom."""
    chart = alt.layer(*parts)
    assert isinstance(chart, alt.LayerChart), "no part is a facet"
    return chart


def values(records: Sequence[dict[str, Any]]) -> alt.InlineData:
    """Return records as a chart's inline data, without a data frame.

    As a tuple: altair copies lists, record by record, each time that a chart is put together with another.
    """
    return alt.InlineData(values=tuple(records))


def cycled(choices: Sequence[Any], count: int) -> list[Any]:
    """Return `count` choices, repeating them in order."""
    return [choices[i % len(choices)] for i in range(count)]


def colour_of(field: str, names: Sequence[str], title: str | None) -> alt.Color:
    """Return the colour encoding of names; its legend is opaque even where marks are not."""
    scale = alt.Scale(domain=list(names), range=cycled(COLOURS, len(names)))
    legend = alt.Legend(symbolOpacity=1)
    return alt.Color(f"{field}:N", title=title, scale=scale, sort=list(names), legend=legend)


def shape_of(field: str, names: Sequence[str], title: str | None) -> alt.Shape:
    """Return the shape encoding of names, for readers who cannot tell the colours apart."""
    scale = alt.Scale(domain=list(names), range=cycled(SHAPES, len(names)))
    # Without this, the legend would draw outlines with the dashes of the lines that share it.
    legend = alt.Legend(symbolStrokeWidth=0, symbolOpacity=1)
    return alt.Shape(f"{field}:N", title=title, scale=scale, sort=list(names), legend=legend)


def dash_of(field: str, names: Sequence[str], title: str | None) -> alt.StrokeDash:
    """Return the dash encoding of names, for readers who cannot tell the colours apart.

    Without a title there is no legend of dashes.
    """
    scale = alt.Scale(domain=list(names), range=[list(dash) for dash in cycled(DASHES, len(names))])
    if title is None:  # a legend set to None would contradict the legend of the colour
        return alt.StrokeDash(f"{field}:N", scale=scale, sort=list(names))
    legend = alt.Legend(symbolType="stroke", symbolOpacity=1, symbolSize=500)
    return alt.StrokeDash(f"{field}:N", title=title, scale=scale, sort=list(names), legend=legend)
