"""How all charts look: Okabe and Ito's palette with shapes and dashes beside it, generic fonts, room for labels.

Colours of text and lines are in the configuration alone, so that a page may give a chart another one: marks name a
style, `reference` for lines that data is held against, `label` and `note` for text, `outline` for what parts areas.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from archbench.reporting.drawings.canvas import BACKGROUND, FAINT, INK, text_width

if TYPE_CHECKING:
    import altair as alt

    Chart = alt.Chart | alt.LayerChart | alt.HConcatChart | alt.VConcatChart

FONT = "sans-serif"
WIDTH = 640  # of what lies between the axes; with them a chart has about 800 pixels

# Okabe and Ito without yellow, too faint on white, and with grey for black, which a dark page would swallow. No two of
# 7, 5 and 4 have a common divisor, so that of fewer than 20 series no two agree in more than one of the three.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f7f7f")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross")
DASHES = ((1, 0), (7, 3), (2, 2), (9, 3, 2, 3))

_SUBTITLE_SIZE = 13
_MOST_LINES = 4  # of one sentence of the subtitle; the description has all of it
_DARK = {"ink": "#eeeeee", "faint": "#b5b5b5", "grid": "#3a3a3a", "paper": "transparent"}
_LIGHT = {"ink": INK, "faint": FAINT, "grid": "#e3e3e3", "paper": BACKGROUND}


def config(*, dark: bool = False) -> dict[str, Any]:
    """Return Vega-Lite's configuration: dark text on white, or for a dark page light text on nothing."""
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
        # Vega drops what is beyond 30 symbols, unless the limit is 0.
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


def finished(chart: Chart, title: str, subtitle: Sequence[str], width: int) -> Chart:
    """Return a chart with its title, its subtitle in lines that fit, and the configuration that all charts have."""
    import altair as alt

    lines = [line for sentence in subtitle for line in _fitted(sentence, width)]
    spoken = ". ".join((title, *subtitle))
    heading = alt.TitleParams(title, subtitle=lines)
    done: Chart = chart.properties(title=heading, description=spoken).configure(**config())
    return done


def _fitted(sentence: str, width: int) -> list[str]:
    # Long lines of prose come closer to half an em a letter; beside the plot there are axis and legend.
    letters = max(20, int(1.4 * width / text_width("x", _SUBTITLE_SIZE)))
    return wrap(sentence, letters, max_lines=_MOST_LINES, placeholder=" …")


def layered(*parts: alt.Chart | alt.LayerChart) -> alt.LayerChart:
    """Return charts on top of each other, the first one at the bottom."""
    import altair as alt

    chart = alt.layer(*parts)
    assert isinstance(chart, alt.LayerChart), "no part is a facet"
    return chart


def values(records: Sequence[dict[str, Any]]) -> alt.InlineData:
    """Return records as a chart's data: as they are, without a data frame."""
    import altair as alt

    return alt.InlineData(values=list(records))


def cycled(choices: Sequence[Any], count: int) -> list[Any]:
    """Return `count` choices, beginning again where they end."""
    return [choices[i % len(choices)] for i in range(count)]


def colour_of(field: str, names: Sequence[str], title: str | None) -> alt.Color:
    """Return the colour of each name, the same in every chart that has the same names; faint marks do not fade it."""
    import altair as alt

    scale = alt.Scale(domain=list(names), range=cycled(COLOURS, len(names)))
    legend = alt.Legend(symbolOpacity=1)
    return alt.Color(f"{field}:N", title=title, scale=scale, sort=list(names), legend=legend)


def shape_of(field: str, names: Sequence[str], title: str | None) -> alt.Shape:
    """Return the shape of each name, which tells it apart where there is no colour."""
    import altair as alt

    scale = alt.Scale(domain=list(names), range=cycled(SHAPES, len(names)))
    # A legend would draw outlines with the dashes of lines that share it.
    legend = alt.Legend(symbolStrokeWidth=0, symbolOpacity=1)
    return alt.Shape(f"{field}:N", title=title, scale=scale, sort=list(names), legend=legend)


def dash_of(field: str, names: Sequence[str], title: str | None) -> alt.StrokeDash:
    """Return the dashes of each name's line, which tell it apart where there is no colour.

    Without a title they have no legend of their own: they are in that of the shapes, which does not show them.
    """
    import altair as alt

    scale = alt.Scale(domain=list(names), range=[list(dash) for dash in cycled(DASHES, len(names))])
    if title is None:  # one that is switched off would contradict that of the colour
        return alt.StrokeDash(f"{field}:N", scale=scale, sort=list(names))
    legend = alt.Legend(symbolType="stroke", symbolOpacity=1, symbolSize=500)
    return alt.StrokeDash(f"{field}:N", title=title, scale=scale, sort=list(names), legend=legend)
