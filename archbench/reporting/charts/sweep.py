"""MACs of models against a swept value, with the polynomials that they follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import altair as alt

from archbench.analyze.growth import Growth
from archbench.analyze.polynomial import Polynomial
from archbench.reporting.charts.axes import count_axis, log_count_axis, log_domain
from archbench.reporting.charts.theme import COLOURS, WIDTH, colour_of, dash_of, layered, shape_of, titled, values
from archbench.reporting.tables.sweep import heading_of, polynomial_text, symbol_of, term_text, where
from archbench.units import format_integer

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart

_HEIGHT = 400
_CURVE_POINTS = 80
# From this ratio of the largest to the smallest value on, both axes are logarithmic: a power is a straight line then.
_LOG_FROM = 4
_POWERS = {1: "linearly with", 2: "with the square of", 3: "with the cube of", 4: "with the fourth power of"}


@dataclass(frozen=True, slots=True)
class Series:
    """One model: its MACs by swept value, and their growth, None if they are not a polynomial."""

    model: str
    macs: Mapping[int, int]
    growth: Growth | None


def sweep_chart(
    series: Sequence[Series],
    *,
    name: str,
    subject: str,
    width: int = WIDTH,
    height: int | None = None,
    notes: Sequence[str] = (),
) -> Chart:
    """Return one line per model against the values of `name`; `subject` says which MACs, such as `MACs, batch 1`.

    A single model also has the terms of its polynomial as lines of their own.
    """
    axes = _axes(series, name, subject)
    parts = [*(_terms(series[0], axes, symbol_of(name)) if len(series) == 1 else ()), *_models(series, axes)]
    chart = layered(*parts).properties(width=width, height=height or _HEIGHT)
    equations = [text for each in series if (text := _equation(each, name, prefix=len(series) > 1))]
    return titled(chart, _title(series, name), [*equations, *notes], width)


@dataclass(frozen=True, slots=True)
class _Axes:
    """The encodings of both axes, the range of swept values, and the least MACs that are shown."""

    x: alt.X
    y: alt.Y
    name: str
    first: int
    last: int
    least: float
    is_log: bool

    def places(self) -> list[float]:
        """Return values at equal distances on the axis."""
        shares = [i / (_CURVE_POINTS - 1) for i in range(_CURVE_POINTS)]
        if self.is_log:
            return [float(self.first * (self.last / self.first) ** share) for share in shares]
        return [self.first + (self.last - self.first) * share for share in shares]


def _axes(series: Sequence[Series], name: str, subject: str) -> _Axes:
    swept = sorted({value for each in series for value in each.macs})
    first, last = swept[0], swept[-1]
    counts = [macs for each in series for macs in each.macs.values()]
    is_log = last >= _LOG_FROM * first and min(counts) > 0
    ticks = alt.Axis(title=heading_of(name), values=swept, format=",d", labelOverlap="greedy", grid=False)
    if is_log:
        least, most = log_domain(counts)
        x_scale = alt.Scale(type="log", base=2, domain=[first / 1.1, last * 1.1], nice=False)
        y_scale = alt.Scale(type="log", domain=[least, most], nice=False)
        y_axis = log_count_axis(subject, least, most)
    else:
        room, least = max(0.04 * (last - first), 0.5), 0.0
        x_scale = alt.Scale(domain=[first - room, last + room], nice=False)
        y_scale = alt.Scale(domain=[0, 1.05 * max(*counts, 1)])
        y_axis = count_axis(subject)
    x, y = alt.X("value:Q", scale=x_scale, axis=ticks), alt.Y("macs:Q", scale=y_scale, axis=y_axis)
    return _Axes(x, y, heading_of(name), first, last, least, is_log)


def _models(series: Sequence[Series], axes: _Axes) -> list[alt.Chart]:
    """Return a curve and marks per model, told apart by colour, dash and shape where there are several."""
    curves = [_record(each.model, x, y) for each in series for x, y in _curve(each, axes)]
    marks = [_record(each.model, x, y) for each in series for x, y in each.macs.items()]
    lines = alt.Chart(values(curves)).mark_line(strokeWidth=2, clip=True).encode(x=axes.x, y=axes.y)
    points = alt.Chart(values(marks)).mark_point(filled=True, size=70, opacity=1).encode(x=axes.x, y=axes.y)
    points = points.encode(
        tooltip=[
            alt.Tooltip("model:N", title="Model"),
            alt.Tooltip("value:Q", title=axes.name, format=","),
            alt.Tooltip("macs:Q", title="MACs", format=","),
        ]
    )
    if len(series) == 1:
        return [each.encode(color=alt.value(COLOURS[0])) for each in (lines, points)]
    names = [each.model for each in series]
    colour = colour_of("model", names, None)
    return [
        lines.encode(color=colour, strokeDash=dash_of("model", names, None)),
        points.encode(color=colour, shape=shape_of("model", names, None)),
    ]


def _record(model: str, value: float, macs: float) -> dict[str, Any]:
    return {"model": model, "value": value, "macs": macs}


def _curve(series: Series, axes: _Axes) -> list[tuple[float, float]]:
    """Return the polynomial's curve if it meets all counts, else straight lines from count to count."""
    growth = series.growth
    if growth is None or any(growth.polynomial(value) != macs for value, macs in series.macs.items()):
        return [(value, macs) for value, macs in sorted(series.macs.items())]
    within = [x for x in axes.places() if min(series.macs) <= x <= max(series.macs)]
    return [(x, _at(growth.polynomial, x)) for x in within]


def _at(polynomial: Polynomial, x: float) -> float:
    return sum(float(each) * x**degree for degree, each in enumerate(polynomial.coefficients))


def _terms(series: Series, axes: _Axes, symbol: str) -> list[alt.Chart]:
    """Return a dashed line with its label for each term, straight on logarithmic axes; none for a single term."""
    if series.growth is None or not axes.is_log:
        return []
    polynomial = series.growth.polynomial
    terms = [(degree, float(each)) for degree, each in enumerate(polynomial.coefficients) if each > 0]
    lines = []
    for degree, coefficient in terms if len(terms) > 1 else ():
        term = [_record(term_text(polynomial, degree, symbol), x, coefficient * x**degree) for x in axes.places()]
        lines.append([record for record in term if record["macs"] >= axes.least])
    ends = sorted((line[-1] for line in lines if line), key=lambda record: float(record["macs"]))
    dashed = alt.Chart(values([record for line in lines for record in line])).mark_line(
        style="reference", strokeDash=[4, 4], clip=True
    )
    # The largest is moved up: where terms are about equal, their labels would cover each other.
    labels = [
        alt.Chart(values([end]))
        .mark_text(style="note", align="left", dx=14, dy=-6 if end is ends[-1] else 6)
        .encode(x=axes.x, y=axes.y, text="model:N")
        for end in ends
    ]
    return [dashed.encode(x=axes.x, y=axes.y, detail="model:N"), *labels] if labels else []


def _equation(series: Series, name: str, *, prefix: bool) -> str:
    if series.growth is None:
        return ""
    symbol = symbol_of(name)
    meaning = "" if symbol == name else f" ({symbol}: {name})"
    equation = f"MACs = {polynomial_text(series.growth.polynomial, symbol)}{where(series.growth)}{meaning}."
    return f"{series.model}: {equation}" if prefix else equation


def _title(series: Sequence[Series], name: str) -> str:
    """Return the finding for a single model, else what is shown."""
    if len(series) > 1 or series[0].growth is None:
        return f"MACs of {series[0].model if len(series) == 1 else f'{len(series)} models'} against {name}"
    (only,), polynomial = series, series[0].growth.polynomial
    if polynomial.degree == 0:
        return f"MACs of {only.model} do not depend on {name}"
    power = _POWERS.get(polynomial.degree, f"with power {polynomial.degree} of")
    leads = polynomial.leads_from()
    start = "" if leads is None or leads <= min(only.macs) else f" from {format_integer(leads)} on"
    return f"MACs of {only.model} grow {power} {name}{start}"
