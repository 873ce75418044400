"""Modules inside modules as an icicle: columns by depth, heights by a quantity; in HTML a click opens a module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import altair as alt

from archbench.reporting.charts.layer_types import category_colour, category_of
from archbench.reporting.charts.theme import layered, titled, values
from archbench.units import format_percent

if TYPE_CHECKING:
    from archbench.analyze.module_shares import ModuleShare
    from archbench.reporting.charts.theme import Chart

_WIDTH, _HEIGHT = 780, 560
_LEAST_LABEL = 11  # pixels of height that a label needs
_LETTER = 6.6  # pixels of width, at a size of 12
_LEAST_SHARE = 0.0002  # a thinner strip is not visible; the module around it still has its height
_SLIVER = 0.3  # of a column, for the module around the opened one, where a click goes back


def modules_chart(
    shares: Sequence[ModuleShare],
    *,
    model: str,
    title: str,
    text: Callable[[float], str],
    quantity: str,
    width: int = _WIDTH,
    height: int = _HEIGHT,
    notes: Sequence[str] = (),
) -> Chart:
    """Return the icicle of modules, which begin with the whole model; `text` writes a value of the `quantity`."""
    records = _records(shares, model, text)
    levels = 1 + max(share.depth for share in shares)
    total = shares[0].value
    # Which module is open: the interval and depth of the click, of the whole model without one.
    shown = {
        "from_share": f"isValid(opened.start) ? opened.start[0] : {shares[0].start}",
        "to_share": f"isValid(opened.end) ? opened.end[0] : {total}",
        "from_depth": f"isValid(opened.depth) ? max(0, opened.depth[0] - {_SLIVER}) : 0",
    }
    opened = alt.selection_point(name="opened", fields=["start", "end", "depth"], toggle=False, clear="dblclick")
    x = alt.Scale(domainMin=alt.ExprRef("from_depth"), domainMax=levels, nice=False, zero=False)
    y = alt.Scale(
        domainMin=alt.ExprRef("from_share"), domainMax=alt.ExprRef("to_share"), nice=False, zero=False, reverse=True
    )
    base = alt.Chart(values(records))
    boxes = (
        base.mark_rect(clip=True, style="outline", cursor="pointer")
        .encode(
            x=alt.X("depth:Q", scale=x, axis=None),
            x2="right:Q",
            y=alt.Y("start:Q", scale=y, axis=None),
            y2="end:Q",
            opacity=alt.Opacity("is_layer:N", scale=alt.Scale(domain=[True, False], range=[0.6, 0.22]), legend=None),
            color=category_colour(
                {record["category"] for record in records}, legend=alt.Legend(orient="bottom", symbolOpacity=0.6)
            ),
            tooltip=[
                alt.Tooltip("name:N", title="Module"),
                alt.Tooltip("text:N", title=quantity),
                alt.Tooltip("share:Q", title="Share", format=".2%"),
            ],
        )
        .add_params(opened)
    )
    chart = layered(boxes, _labels(base, x, y, levels, width, height)).properties(width=width, height=height)
    chart = chart.add_params(*(alt.param(name=name, expr=expression) for name, expression in shown.items()))
    clicks = "In HTML a click opens a module, a double click shows the whole model."
    scope = f"{quantity}; heights are shares of {text(total)}. {clicks}"
    return titled(chart, title, [scope, *notes], width)


def _records(shares: Sequence[ModuleShare], model: str, text: Callable[[float], str]) -> list[dict[str, Any]]:
    total = shares[0].value
    return [
        {
            "name": share.name or model,
            "short": share.name.rpartition("/")[2].rpartition(".")[2] or model,
            "category": category_of(share.kind),
            "is_layer": share.is_layer,
            "depth": share.depth,
            "right": share.depth + 1,
            "start": share.start,
            "end": share.end,
            "text": text(share.value),
            "percent": format_percent(share.value / total),
            "share": share.value / total,
        }
        for share in shares
        if share.value >= _LEAST_SHARE * total
    ]


def _labels(base: alt.Chart, x: alt.Scale, y: alt.Scale, levels: int, width: int, height: int) -> alt.Chart:
    """Return the names, each in the visible part of its box, with the value where there is room for it."""
    column = f"({width} / ({levels} - from_depth))"
    letters = f"(({column} * (datum.right - datum.left) - 10) / {_LETTER})"
    whole = "datum.short + ': ' + datum.text + ' · ' + datum.percent"
    part = "datum.short + ': ' + datum.percent"
    name = f"{letters} < 2 ? '' : truncate(datum.short, {letters})"
    labels: alt.Chart = (
        base.transform_calculate(
            left="max(datum.depth, from_depth)",
            upper="max(datum.start, from_share)",
            lower="min(datum.end, to_share)",
        )
        .transform_calculate(middle="(datum.upper + datum.lower) / 2")
        .transform_filter(f"(datum.lower - datum.upper) / (to_share - from_share) * {height} >= {_LEAST_LABEL}")
        .transform_filter("datum.right > from_depth")
        .transform_calculate(
            label=f"length({whole}) <= {letters} ? {whole} : length({part}) <= {letters} ? {part} : {name}"
        )
        .mark_text(align="left", dx=5, style="label", clip=True)
        .encode(x=alt.X("left:Q", scale=x), y=alt.Y("middle:Q", scale=y), text="label:N")
    )
    return labels
