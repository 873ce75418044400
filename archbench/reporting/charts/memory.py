"""Memory over the operators of one run: categories stacked, with the peak marked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

import altair as alt

from archbench.reporting.charts.axes import bytes_axis
from archbench.reporting.charts.theme import WIDTH, layered, titled, values
from archbench.units import binary_unit, format_bytes

if TYPE_CHECKING:
    from archbench.analyze.memory.timeline import Moment
    from archbench.reporting.charts.theme import Chart

# From the bottom of the stack: what lives for the whole run in slate, what passes in violet. Neighbours differ in
# lightness. No kind of layer and no model has these colours.
_CATEGORIES = {
    "params_bytes": ("parameters", "#3d4a63"),
    "optimizer_bytes": ("optimizer", "#a3b1c8"),
    "gradient_bytes": ("gradients", "#6c7f9e"),
    "input_bytes": ("inputs", "#ddc9e6"),
    "activation_bytes": ("activations", "#a86fba"),
    "temporary_bytes": ("temporary", "#5e2a72"),
}
_ROOM = 1.12  # times the peak: the height of the axis
_BAND = 0.13  # of the peak: the room below zero for parameters that do not change
_TICK = 18.0  # pixels between names of layers


def memory_chart(
    moments: Sequence[Moment],
    *,
    title: str,
    setting: str = "",
    width: int = WIDTH,
    height: int | None = None,
    notes: Sequence[str] = (),
) -> Chart:
    """Return the timeline of one run, operator by operator; `title` is the model's name, `setting` describes the run.

    In inference parameters are a band below zero, not to scale, so that the rest has an axis of its own.
    """
    has_band = _has_band(moments)
    stacked = {name: each for name, each in _CATEGORIES.items() if not (has_band and name == "params_bytes")}
    records = [
        {"operation": i, "height": sum(getattr(moment, name) for name in stacked), **asdict(moment)}
        for i, moment in enumerate(moments)
    ]
    # Each operator's area ends where the next begins: the last record is repeated to end its own.
    data = values([*records, {**records[-1], "operation": len(records)}])
    peak = max(records, key=lambda record: record["total_bytes"])
    most = float(peak["height"])
    across = _across(records, width)
    layers = (
        _stack(records, data, across, _up(most, has_band), stacked),
        *(_band(records[0], most, width) if has_band else ()),
        _phases(records),
        *_peak(peak, len(records)),
        _tooltips(data, len(records), across, most),
    )
    chart = layered(*layers).properties(width=width, height=height or 320)
    return titled(chart, f"{title}: peak {_peak_text(peak)}", _subtitle(peak, setting, has_band, notes), width)


def _has_band(moments: Sequence[Moment]) -> bool:
    """Return whether parameters are apart: they do not change, and nothing is trained."""
    is_constant = len({moment.params_bytes for moment in moments}) == 1 and moments[0].params_bytes > 0
    has_rest = any(moment.total_bytes > moment.params_bytes for moment in moments)
    return is_constant and has_rest and all(moment.phase == "forward" for moment in moments)


def _peak_text(peak: dict[str, Any]) -> str:
    layer = f" of {peak['layer']}" if peak["layer"] else ""
    phase = f"{peak['phase']} pass{layer}" if peak["phase"] != "update" else "optimizer's update"
    return f"{format_bytes(peak['total_bytes'])} in the {phase}"


def _subtitle(peak: dict[str, Any], setting: str, has_band: bool, notes: Sequence[str]) -> tuple[str, ...]:
    sentences = [f"Memory{', ' if setting else ''}{setting}, operator by operator."]
    if has_band:
        parameters, rest = format_bytes(peak["params_bytes"]), format_bytes(peak["height"])
        sentences.append(f"The peak is {parameters} of parameters, there throughout, and {rest} that come and go.")
    return (*sentences, *notes)


def _across(records: Sequence[dict[str, Any]], width: int) -> alt.X:
    """Return the encoding of operators, with names of layers as ticks."""
    ticks = _layer_ticks(records, width / len(records))
    names = json.dumps({f"{place:g}": name for place, name in ticks.items()})  # 2, not 2.0, as Vega writes numbers
    axis = alt.Axis(
        title="Layer, in the order of execution; one place per operator",
        grid=False,
        values=list(ticks),
        labelExpr=f"({names})[datum.value]",
        labelOverlap=False,
        labelAngle=-45,
        labelAlign="right",
        labelBaseline="top",
        labelLimit=120,
        labelFontSize=11,
    )
    return alt.X("operation:Q", scale=alt.Scale(domain=[0, len(records)], nice=False), axis=axis)


def _layer_ticks(records: Sequence[dict[str, Any]], pixels: float) -> dict[float, str]:
    """Return the middles of layers with their names, as many as have room: first those with most memory."""
    runs = [list(run) for _, run in groupby(records, key=lambda record: (record["phase"], record["layer"]))]
    named = [run for run in runs if run[0]["layer"]]
    ticks: dict[float, str] = {}
    for run in sorted(named, key=lambda run: -max(record["total_bytes"] for record in run)):
        middle = (run[0]["operation"] + run[-1]["operation"] + 1) / 2
        if all(abs(middle - other) * pixels >= _TICK for other in ticks):
            ticks[middle] = run[0]["layer"]
    return dict(sorted(ticks.items()))


def _up(most: float, has_band: bool) -> alt.Y:
    return alt.Y(
        "bytes:Q",
        stack="zero",
        axis=bytes_axis("Memory without parameters" if has_band else "Memory", most),
        scale=alt.Scale(domain=[-_BAND * most if has_band else 0, _ROOM * most], nice=False),
    )


def _band(record: dict[str, Any], most: float, width: int) -> tuple[alt.Chart, alt.Chart]:
    """Return the band of parameters below zero, with their size."""
    colour = _CATEGORIES["params_bytes"][1]
    text = f"parameters {format_bytes(record['params_bytes'])}, throughout (not to scale)"
    rows = values([{"low": -_BAND * most, "high": -0.02 * most, "label": text}])
    base = alt.Chart(rows).encode(y="low:Q")
    bar = base.mark_rect(color=colour).encode(x=alt.value(0), x2=alt.value("width"), y2="high:Q")
    middle = alt.Y("middle:Q")
    label = (
        base.transform_calculate(middle="(datum.low + datum.high) / 2")
        .mark_text(color="#ffffff", fontSize=12)
        .encode(x=alt.value(width / 2), y=middle, text="label:N")
    )
    return bar, label


def _stack(
    records: Sequence[dict[str, Any]],
    data: alt.InlineData,
    across: alt.X,
    up: alt.Y,
    stacked: Mapping[str, tuple[str, str]],
) -> alt.Chart:
    """Return the areas of the categories that occur."""
    used = [name for name in stacked if any(record[name] for record in records)]
    order = {name: i for i, name in enumerate(stacked)}
    titles = {name: title for name, (title, _) in stacked.items()}
    # The legend has the order of the stack, from its top.
    shown, colours = zip(*(stacked[name] for name in reversed(used)), strict=True)
    colour = alt.Color(
        "category:N",
        title="What is there",
        legend=alt.Legend(symbolType="square"),
        sort=list(shown),
        scale=alt.Scale(domain=list(shown), range=list(colours)),
    )
    folded = (
        alt.Chart(data)
        .transform_fold([*used], as_=["field", "bytes"])
        .transform_calculate(category=f"({titles!r})[datum.field]", order=f"({order!r})[datum.field]")
    )
    areas: alt.Chart = folded.mark_area(interpolate="step-after", style="outline").encode(
        x=across, y=up, color=colour, order=alt.Order("order:Q")
    )
    return areas


def _phases(records: Sequence[dict[str, Any]]) -> alt.LayerChart:
    """Return a line where the backward pass and the update begin, and the name of each phase above the plot."""
    starts = [
        {"operation": next(group)["operation"], "phase": phase}
        for phase, group in groupby(records, key=lambda record: record["phase"])
    ]
    across = alt.X("operation:Q")
    lines = alt.Chart(values(starts[1:])).mark_rule(style="reference", strokeDash=[3, 3]).encode(x=across)
    names = (
        alt.Chart(values(starts if len(starts) > 1 else []))
        .mark_text(align="left", dx=1, dy=-4, baseline="bottom", style="note")
        .encode(x=across, y=alt.value(0), text="phase:N")
    )
    return layered(lines, names)


def _peak(peak: dict[str, Any], end: int) -> tuple[alt.Chart, alt.Chart]:
    """Return the mark at the peak, and its label on the side that has room."""
    record = {
        "middle": peak["operation"] + 0.5,
        "total_bytes": peak["total_bytes"],
        "height": peak["height"],
        "label": f"peak {format_bytes(peak['total_bytes'])}",
    }
    is_late = peak["operation"] > 0.6 * end
    base = alt.Chart(values([record])).encode(x="middle:Q", y="height:Q")
    mark = base.mark_point(shape="triangle-down", filled=True, size=90, yOffset=-7, style="label", opacity=1)
    label = base.mark_text(
        align="right" if is_late else "left", dx=-9 if is_late else 9, dy=-9, style="label", fontWeight="bold"
    ).encode(text="label:N")
    return mark, label


def _tooltips(data: alt.InlineData, end: int, across: alt.X, most: float) -> alt.Chart:
    """Return invisible areas with tooltips: all categories of the operator under the pointer, in the axis's unit."""
    unit, size = binary_unit(most)
    titles = {**{name: title for name, (title, _) in _CATEGORIES.items()}, "total_bytes": "total"}
    shown = {f"{title}_shown": f"datum.{name} / {size}" for name, title in titles.items()}
    areas: alt.Chart = (
        alt.Chart(data)
        .transform_filter(f"datum.operation < {end}")
        .transform_calculate(end="datum.operation + 1", **shown)
        .mark_rect(opacity=0, aria=False)
        .encode(
            x=across,
            x2="end:Q",
            tooltip=[
                *(alt.Tooltip(f"{field}:N", title=field) for field in ("layer", "operator", "phase")),
                *(
                    alt.Tooltip(f"{title}_shown:Q", title=f"{title} ({unit})", format=",.4~r")
                    for title in titles.values()
                ),
            ],
        )
    )
    return areas
