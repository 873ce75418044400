"""Memory over the operators of one run: categories stacked, with the peak marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

import altair as alt

from archbench.reporting.charts.axes import bytes_axis
from archbench.reporting.charts.theme import WIDTH, layered, titled, values
from archbench.units import format_bytes

if TYPE_CHECKING:
    from archbench.analyze.memory.timeline import Moment
    from archbench.reporting.charts.theme import Chart

# From the bottom of the stack: first what lives for the whole run. Neighbours differ in lightness.
_CATEGORIES = {
    "params_bytes": ("parameters", "#0072b2"),
    "optimizer_bytes": ("optimizer", "#56b4e9"),
    "gradient_bytes": ("gradients", "#009e73"),
    "input_bytes": ("inputs", "#f0e442"),
    "activation_bytes": ("activations", "#e69f00"),
    "temporary_bytes": ("temporary", "#a04000"),
}


def memory_chart(
    moments: Sequence[Moment], *, title: str, width: int = WIDTH, height: int | None = None, notes: Sequence[str] = ()
) -> Chart:
    """Return the timeline of one run, operator by operator; `title` describes the run."""
    records = [{"operation": i, **asdict(moment)} for i, moment in enumerate(moments)]
    # Each operator's area ends where the next begins: the last record is repeated to end its own.
    data = values([*records, {**records[-1], "operation": len(records)}])
    peak = max(records, key=lambda record: record["total_bytes"])
    layer = f" of {peak['layer']}" if peak["layer"] else ""
    phase = f"{peak['phase']} pass{layer}" if peak["phase"] != "update" else "optimizer's update"
    subtitle = (f"Peak {format_bytes(peak['total_bytes'])} at operation {peak['operation']}, in the {phase}.", *notes)
    end = len(records)
    across = alt.X(
        "operation:Q",
        scale=alt.Scale(domain=[0, end], nice=False),
        axis=alt.Axis(title="Operation, in the order of execution", grid=False, tickMinStep=1, tickCount=10),
    )
    layers = (
        _stack(records, data, across, float(peak["total_bytes"])),
        _phases(records, end),
        *_peak(peak, end),
        _tooltips(data, end, across),
    )
    chart = layered(*layers).properties(width=width, height=height or 320)
    return titled(chart, f"Memory of {title}", subtitle, width)


def _stack(records: Sequence[dict[str, Any]], data: alt.InlineData, across: alt.X, most: float) -> alt.Chart:
    """Return the areas of the categories that occur."""
    used = [name for name in _CATEGORIES if any(record[name] for record in records)]
    order = {name: i for i, name in enumerate(_CATEGORIES)}
    titles = {name: title for name, (title, _) in _CATEGORIES.items()}
    # The legend has the order of the stack, from its top.
    shown, colours = zip(*(_CATEGORIES[name] for name in reversed(used)), strict=True)
    up = alt.Y(
        "bytes:Q",
        stack="zero",
        axis=bytes_axis("Memory", most),
        scale=alt.Scale(domain=[0, 1.12 * most], nice=False),
    )
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


def _phases(records: Sequence[dict[str, Any]], end: int) -> alt.LayerChart:
    """Return a line where the backward pass and the update begin, and the name of each phase."""
    starts = [
        {"operation": next(group)["operation"], "phase": phase}
        for phase, group in groupby(records, key=lambda record: record["phase"])
    ]
    is_late = f"datum.operation > {0.88 * end}"  # no room for a name to its right
    across = alt.X("operation:Q")
    lines = alt.Chart(values(starts[1:])).mark_rule(style="reference", strokeDash=[3, 3]).encode(x=across)
    names = (
        alt.Chart(values(starts if len(starts) > 1 else []))
        .mark_text(
            align=alt.expr(f"{is_late} ? 'right' : 'left'"),
            dx=alt.expr(f"{is_late} ? -4 : 4"),
            dy=3,
            baseline="top",
            style="note",
        )
        .encode(x=across, y=alt.value(0), text="phase:N")
    )
    return layered(lines, names)


def _peak(peak: dict[str, Any], end: int) -> tuple[alt.Chart, alt.Chart]:
    """Return the mark at the peak, and its label on the side that has room."""
    record = {
        "middle": peak["operation"] + 0.5,
        "total_bytes": peak["total_bytes"],
        "label": f"peak {format_bytes(peak['total_bytes'])}",
    }
    is_late = peak["operation"] > 0.6 * end
    base = alt.Chart(values([record])).encode(x="middle:Q", y="total_bytes:Q")
    mark = base.mark_point(shape="triangle-down", filled=True, size=90, yOffset=-7, style="label", opacity=1)
    label = base.mark_text(
        align="right" if is_late else "left", dx=-9 if is_late else 9, dy=-9, style="label", fontWeight="bold"
    ).encode(text="label:N")
    return mark, label


def _tooltips(data: alt.InlineData, end: int, across: alt.X) -> alt.Chart:
    """Return invisible areas with tooltips: all categories of the operator under the pointer."""
    sizes = [alt.Tooltip(f"{name}:Q", title=f"{title} (bytes)", format=",") for name, (title, _) in _CATEGORIES.items()]
    operators = (
        alt.Chart(data).transform_filter(f"datum.operation < {end}").transform_calculate(end="datum.operation + 1")
    )
    areas: alt.Chart = (
        operators.transform_calculate(end="datum.operation + 1")
        .mark_rect(opacity=0, aria=False)
        .encode(
            x=across,
            x2="end:Q",
            tooltip=[
                alt.Tooltip("operation:Q", title="operation"),
                alt.Tooltip("phase:N", title="phase"),
                alt.Tooltip("layer:N", title="layer"),
                alt.Tooltip("operator:N", title="operator"),
                alt.Tooltip("total_bytes:Q", title="total (bytes)", format=","),
                *sizes,
            ],
        )
    )
    return areas
