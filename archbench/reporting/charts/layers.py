"""Parameters and MACs of each layer, as bars to both sides of the layers' names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archbench.reporting.charts.axes import count_axis
from archbench.reporting.charts.layer_types import kind_colour, kind_of, kind_shape
from archbench.reporting.charts.theme import finished, layered, values
from archbench.reporting.drawings.canvas import text_width
from archbench.units import format_count, format_integer, format_percent

if TYPE_CHECKING:
    import altair as alt

    from archbench.analyze.layers import LayerRow
    from archbench.reporting.charts.theme import Chart

_WIDTH = 740  # of all: there is nothing beside the bars
_MOST_BARS = 40
_ROW = 20  # pixels
_LABEL = 12
_MARK = 18  # of room for the shape of a layer's kind, between its name and its bar
# So much of the axis stays free for what is written at the end of the longest bar.
_ROOM = 1.55


def layers_chart(
    models: Mapping[str, Sequence[LayerRow]],
    *,
    width: int = _WIDTH,
    height: int | None = None,
    batch: int = 1,
    notes: Sequence[str] = (),
) -> Chart:
    """Return one pair of bars a layer; several models stand below each other, each on its own scale.

    Layers without parameters and MACs have no bar. Where more than 40 would, it is modules that have one each, as deep
    down as keeps to that number. `height` is of each model.
    """
    import altair as alt

    bars = {model: _bars(model, rows) for model, rows in models.items()}
    kinds = {bar["kind"] for found in bars.values() for bar in found}
    names = max((text_width(bar["layer"], _LABEL) for found in bars.values() for bar in found), default=0)
    panels = [_panel(found, kinds, names, width, height) for found in bars.values()]
    if len(bars) == 1:
        (model, rows), found = next(iter(models.items())), next(iter(bars.values()))
        return finished(panels[0], f"Parameters and MACs of {model}", (*_said(found, rows, batch), *notes), width)
    named = [
        panel.properties(title=alt.TitleParams(_heading(model, models[model]), fontSize=14))
        for model, panel in zip(bars, panels, strict=True)
    ]
    said = (f"Where {', '.join(bars)} have them, layer by layer; each model on its own scale.", _of_batch(batch))
    return finished(alt.vconcat(*named, spacing=28), "Parameters and MACs by layer", (*said, *notes), width)


def _bars(model: str, rows: Sequence[LayerRow]) -> list[dict[str, Any]]:
    """Return a record a bar, in the layers' order."""
    weighty = [row for row in rows if row.params or row.macs]
    groups = _grouped(weighty)
    params, macs = (sum(getattr(row, name) for row in weighty) for name in ("params", "macs"))
    return [
        {
            "model": model,
            "layer": name,
            "type": members[0].type if len(members) == 1 else f"{len(members)} layers",
            "kind": kind_of(max(members, key=lambda row: (row.macs, row.params)).type),
            "order": order,
            **_figure("params", sum(row.params for row in members), params),
            **_figure("macs", sum(row.macs for row in members), macs),
        }
        for order, (name, members) in enumerate(groups.items())
    ]


def _figure(field: str, value: int, total: int) -> dict[str, Any]:
    share = value / total if total else 0.0
    said = f"{format_count(value)} · {_percent(share)}" if value else ""
    return {field: value, f"{field}_share": share, f"{field}_label": said}


def _percent(share: float) -> str:
    return "<0.1%" if share < 0.0005 else format_percent(share)


def _grouped(rows: Sequence[LayerRow]) -> dict[str, list[LayerRow]]:
    """Return the rows by name, or by the name of a module above them, as deep as keeps to the most bars."""
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
    bars: Sequence[dict[str, Any]], kinds: set[str], names: float, width: int, height: int | None
) -> alt.HConcatChart:
    import altair as alt

    size = {"width": max(120, int(width - names - _MARK) // 2), "height": height or _ROW * max(1, len(bars))}
    centred = alt.Axis(
        title=None,
        labelAlign="center",
        labelPadding=names / 2 + 6 + _MARK,
        minExtent=names + 12 + _MARK,
        ticks=False,
        domain=False,
    )
    left = _side(bars, kinds, "params", "Parameters", None).properties(**size)
    right = layered(_side(bars, kinds, "macs", "MACs", centred), _shapes(bars, kinds)).properties(**size)
    return alt.hconcat(left, right, spacing=0)


def _side(
    bars: Sequence[dict[str, Any]], kinds: set[str], field: str, title: str, names: alt.Axis | None
) -> alt.LayerChart:
    """Return the bars of one figure; parameters grow to the left, away from the names."""
    import altair as alt

    is_left = field == "params"
    most = max((bar[field] for bar in bars), default=0) or 1
    scale = alt.Scale(domain=[0, most * _ROOM], nice=False, reverse=is_left)
    places = alt.Y("layer:N", sort=[bar["layer"] for bar in bars], axis=names)
    axis = count_axis(title, tickCount=4, grid=False)
    base = alt.Chart(values(bars)).encode(y=places, x=alt.X(f"{field}:Q", scale=scale, axis=axis))
    drawn = base.mark_bar(height={"band": 0.8}).encode(
        color=kind_colour(kinds, legend=alt.Legend(orient="bottom")),
        tooltip=[
            alt.Tooltip("layer:N", title="Layer"),
            alt.Tooltip("type:N", title="Type"),
            alt.Tooltip(f"{field}:Q", title=title, format=","),
            alt.Tooltip(f"{field}_share:Q", title=f"Share of all {title}", format=".1%"),
        ],
    )
    written = base.mark_text(align="right" if is_left else "left", dx=-5 if is_left else 5, style="label")
    return layered(drawn, written.encode(text=f"{field}_label:N"))


def _shapes(bars: Sequence[dict[str, Any]], kinds: set[str]) -> alt.Chart:
    """Return the shape of each layer's kind to the left of its bar: without colour, it tells kinds apart."""
    import altair as alt

    legend = alt.Legend(orient="bottom")
    marks: alt.Chart = (
        alt.Chart(values(bars))
        .mark_point(filled=True, opacity=1, size=60, aria=False)
        .encode(
            x=alt.value(-_MARK / 2),
            y=alt.Y("layer:N", sort=[bar["layer"] for bar in bars]),
            color=kind_colour(kinds, legend=legend),
            shape=kind_shape(kinds, legend=legend),
        )
    )
    return marks


def _heading(model: str, rows: Sequence[LayerRow]) -> str:
    params, macs = (sum(getattr(row, name) for row in rows) for name in ("params", "macs"))
    return f"{model}: {format_count(params)} parameters, {format_count(macs)} MACs"


def _said(bars: Sequence[dict[str, Any]], rows: Sequence[LayerRow], batch: int) -> tuple[str, ...]:
    """Return what the chart shows in words: the sums, and what each kind of layer has of them."""
    params, macs = (sum(getattr(row, name) for row in rows) for name in ("params", "macs"))
    shares: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for bar in bars:
        shares[bar["kind"]][0] += bar["params_share"]
        shares[bar["kind"]][1] += bar["macs_share"]
    by_kind = "; ".join(
        f"{kind}: {_percent(of_params)} of parameters, {_percent(of_macs)} of MACs"
        for kind, (of_params, of_macs) in shares.items()
        if max(of_params, of_macs) >= 0.0005
    )
    return (
        f"{format_integer(params)} parameters, {format_integer(macs)} MACs. {_of_batch(batch)}",
        f"{by_kind[:1].upper()}{by_kind[1:]}.",
    )


def _of_batch(batch: int) -> str:
    images = "one sample" if batch == 1 else f"a batch of {batch}"
    return f"MACs are of {images}, forward; layers without either are left out."
