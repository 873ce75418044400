"""Parameters and MACs of each layer, as bars on both sides of the layer names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import altair as alt

from archbench.reporting.charts.axes import count_axis
from archbench.reporting.charts.layer_types import category_colour, category_of, category_shape
from archbench.reporting.charts.theme import layered, titled, values
from archbench.reporting.drawings.canvas import text_width
from archbench.units import format_count, format_integer, format_percent

if TYPE_CHECKING:
    from archbench.analyze.layers import LayerRow
    from archbench.reporting.charts.theme import Chart

_WIDTH = 740  # pixels of the whole chart: nothing stands beside the bars
_MOST_BARS = 40
_ROW = 20  # pixels
_LABEL = 12
_MARK = 18  # pixels for the shape of a layer's category, between its name and its bar
# The axis is this many times the longest bar, for the label at its end.
_ROOM = 1.55
_LAYERS = {
    "convolution": "convolutions",
    "fully connected": "fully connected layers",
    "pooling": "pooling",
    "normalisation": "normalisation",
    "other": "other layers",
}


def layers_chart(
    models: Mapping[str, Sequence[LayerRow]],
    *,
    title: str = "",
    width: int = _WIDTH,
    height: int | None = None,
    batch: int = 1,
    notes: Sequence[str] = (),
) -> Chart:
    """Return a pair of bars per layer; several models stand below each other, each on its own scale.

    Layers without parameters and MACs have no bar. More than 40 layers are grouped into modules, as deep as keeps to
    40 bars. `title` is the name of a single model, by default its key. `height` is per model, in pixels.
    """
    bars = {model: _bars(model, rows) for model, rows in models.items()}
    categories = {bar["category"] for own in bars.values() for bar in own}
    names = max((text_width(bar["layer"], _LABEL) for own in bars.values() for bar in own), default=0)
    panels = [_panel(own, categories, names, width, height) for own in bars.values()]
    if len(bars) == 1:
        ((model, rows),) = models.items()
        subtitle = (*_subtitle(bars[model], rows, batch), *notes)
        return titled(panels[0], _finding(title or model, bars[model]), subtitle, width)
    headed = [
        panel.properties(title=alt.TitleParams(_heading(model, models[model]), fontSize=14))
        for model, panel in zip(bars, panels, strict=True)
    ]
    scope = f"Where {', '.join(bars)} have them, layer by layer; each model on its own scale."
    subtitle = (scope, _batch_sentence(batch), *notes)
    return titled(alt.vconcat(*headed, spacing=28), "Parameters and MACs by layer", subtitle, width)


def _bars(model: str, rows: Sequence[LayerRow]) -> list[dict[str, Any]]:
    """Return a record per bar, in the order of the layers."""
    counted = [row for row in rows if row.params or row.macs]
    groups = grouped(counted)
    params, macs = (sum(getattr(row, name) for row in counted) for name in ("params", "macs"))
    return [
        {
            "model": model,
            "layer": name,
            "type": members[0].type if len(members) == 1 else f"{len(members)} layers",
            "category": category_of(max(members, key=lambda row: (row.macs, row.params)).type),
            "order": order,
            **_figure("params", sum(row.params for row in members), params),
            **_figure("macs", sum(row.macs for row in members), macs),
        }
        for order, (name, members) in enumerate(groups.items())
    ]


def _figure(field: str, value: int, total: int) -> dict[str, Any]:
    share = value / total if total else 0.0
    # 1,792, not 1.792K: up to four digits there is nothing to round.
    number = format_integer(value) if value < 10_000 else format_count(value)
    label = f"{number} · {_percent(share)}" if value else ""
    return {field: value, f"{field}_share": share, f"{field}_label": label}


def _percent(share: float) -> str:
    return "<0.1%" if share < 0.0005 else format_percent(share)


def grouped(rows: Sequence[LayerRow]) -> dict[str, list[LayerRow]]:
    """Return the rows by name, or by the name of a parent module, as deep as keeps to 40 groups."""
    parts = {row.name: row.name.split(".") for row in rows}
    deepest = max((len(path) for path in parts.values()), default=1)
    for depth in range(deepest, 0, -1):
        groups: defaultdict[str, list[LayerRow]] = defaultdict(list)
        for row in rows:
            groups[".".join(parts[row.name][:depth])].append(row)
        if len(groups) <= _MOST_BARS:
            break
    return dict(groups)


def _panel(
    bars: Sequence[dict[str, Any]], categories: set[str], names: float, width: int, height: int | None
) -> alt.HConcatChart:
    size = {"width": max(120, int(width - names - _MARK) // 2), "height": height or _ROW * max(1, len(bars))}
    centred = alt.Axis(
        title=None,
        labelAlign="center",
        labelPadding=names / 2 + 6 + _MARK,
        minExtent=names + 12 + _MARK,
        ticks=False,
        domain=False,
    )
    left = _side(bars, categories, "params", "Parameters", None).properties(**size)
    right = layered(_side(bars, categories, "macs", "MACs", centred), _shapes(bars, categories)).properties(**size)
    return alt.hconcat(left, right, spacing=0)


def _side(
    bars: Sequence[dict[str, Any]], categories: set[str], field: str, title: str, names: alt.Axis | None
) -> alt.LayerChart:
    """Return the bars of one field; parameters grow to the left, away from the names."""
    is_left = field == "params"
    most = max((bar[field] for bar in bars), default=0) or 1
    scale = alt.Scale(domain=[0, most * _ROOM], nice=False, reverse=is_left)
    places = alt.Y("layer:N", sort=[bar["layer"] for bar in bars], axis=names)
    axis = count_axis(title, tickCount=4, grid=False)
    base = alt.Chart(values(bars)).encode(y=places, x=alt.X(f"{field}:Q", scale=scale, axis=axis))
    filled = base.mark_bar(height={"band": 0.8}).encode(
        color=category_colour(categories, legend=alt.Legend(orient="bottom")),
        tooltip=[
            alt.Tooltip("layer:N", title="Layer"),
            alt.Tooltip("type:N", title="Type"),
            alt.Tooltip(f"{field}:Q", title=title, format=","),
            alt.Tooltip(f"{field}_share:Q", title=f"Share of all {title}", format=".1%"),
        ],
    )
    labels = base.mark_text(align="right" if is_left else "left", dx=-5 if is_left else 5, style="label")
    return layered(filled, labels.encode(text=f"{field}_label:N"))


def _shapes(bars: Sequence[dict[str, Any]], categories: set[str]) -> alt.Chart:
    """Return the shape of each layer's category, to the left of its bar."""
    legend = alt.Legend(orient="bottom")
    marks: alt.Chart = (
        alt.Chart(values(bars))
        .mark_point(filled=True, opacity=1, size=60, aria=False)
        .encode(
            x=alt.value(-_MARK / 2),
            y=alt.Y("layer:N", sort=[bar["layer"] for bar in bars]),
            color=category_colour(categories, legend=legend),
            shape=category_shape(categories, legend=legend),
        )
    )
    return marks


def _heading(model: str, rows: Sequence[LayerRow]) -> str:
    params, macs = (sum(getattr(row, name) for row in rows) for name in ("params", "macs"))
    return f"{model}: {format_count(params)} parameters, {format_count(macs)} MACs"


def _finding(model: str, bars: Sequence[dict[str, Any]]) -> str:
    """Return which kind of layer has most parameters, and which most MACs."""
    params, macs = (_most(bars, field) for field in ("params", "macs"))
    if not params[1] or not macs[1]:
        (category, share), unit = (params, "parameters") if params[1] else (macs, "MACs")
        return f"{model}: {share:.0%} of {unit} in {_LAYERS[category]}"
    if params[0] == macs[0]:
        return f"{model}: {params[1]:.0%} of parameters and {macs[1]:.0%} of MACs in {_LAYERS[params[0]]}"
    return (
        f"{model}: {params[1]:.0%} of parameters in {_LAYERS[params[0]]}, {macs[1]:.0%} of MACs in {_LAYERS[macs[0]]}"
    )


def _most(bars: Sequence[dict[str, Any]], field: str) -> tuple[str, float]:
    """Return the category with the largest part of a field; 0 if nothing has any."""
    shares: defaultdict[str, float] = defaultdict(float)
    for bar in bars:
        shares[bar["category"]] += bar[f"{field}_share"]
    return max(shares.items(), key=lambda each: each[1])


def _subtitle(bars: Sequence[dict[str, Any]], rows: Sequence[LayerRow], batch: int) -> tuple[str, ...]:
    """Return the totals, and the share of each category of layers."""
    params, macs = (sum(getattr(row, name) for row in rows) for name in ("params", "macs"))
    shares: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for bar in bars:
        shares[bar["category"]][0] += bar["params_share"]
        shares[bar["category"]][1] += bar["macs_share"]
    by_category = "; ".join(
        f"{category}: {_percent(of_params)} of parameters, {_percent(of_macs)} of MACs"
        for category, (of_params, of_macs) in shares.items()
        if max(of_params, of_macs) >= 0.0005
    )
    return (
        f"{format_integer(params)} parameters, {format_integer(macs)} MACs. {_batch_sentence(batch)}",
        f"{by_category[:1].upper()}{by_category[1:]}.",
    )


def _batch_sentence(batch: int) -> str:
    images = "one sample" if batch == 1 else f"a batch of {batch}"
    return f"MACs are of {images}, forward; layers without either are left out."
