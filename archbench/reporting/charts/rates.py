"""Published rates of models beside their predictions with the 90% interval, one row per model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import altair as alt

from archbench.reporting.charts.axes import log_axis, log_domain
from archbench.reporting.charts.theme import COLOURS, WIDTH, layered, titled, values
from archbench.units import format_ratio

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart

_ROW = 30  # pixels
_PREDICTED, _PUBLISHED = COLOURS[0], COLOURS[1]


@dataclass(frozen=True, slots=True)
class ComparedRate:
    """A published and a predicted rate of one model, in images per second; the bounds are those of the 90% interval."""

    model: str
    img_size: int
    batch: int
    published: float
    predicted: float
    low: float | None
    high: float | None

    @property
    def is_inside(self) -> bool:
        """Return whether the published rate lies in the interval."""
        return self.low is not None and self.high is not None and self.low <= self.published <= self.high


def rates_chart(
    rates: Sequence[ComparedRate],
    *,
    conditions: str,
    source: str,
    width: int = WIDTH,
    height: int | None = None,
    notes: Sequence[str] = (),
) -> Chart:
    """Return one row per model, the fastest first; the rates are of one file, whose conditions stand below the title.

    There is at least one rate.
    """
    records = [_record(rate) for rate in sorted(rates, key=lambda rate: -rate.published)]
    ends = [
        end for record in records for end in (record["published"], record["predicted"], record["low"], record["high"])
    ]
    domain = log_domain([end for end in ends if end is not None])
    scale = alt.Scale(type="log", domain=list(domain), nice=False)
    axis = log_axis("Images per second (logarithmic)", *domain)
    row = alt.Y(
        "row:N", sort=[record["row"] for record in records], title=None, axis=alt.Axis(grid=True, tickBand="center")
    )
    base = alt.Chart(values(records)).encode(y=row)
    interval = (
        base.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=7, opacity=0.35, color=_PREDICTED, strokeCap="round")
        .encode(x=alt.X("low:Q", scale=scale, axis=axis), x2="high:Q")
    )
    numbers = base.mark_text(align="left", dx=10, style="note").encode(x=alt.value("width"), text="text:N")
    chart = layered(interval, _marks(base, scale, axis), numbers).properties(
        width=width, height=height or max(90, _ROW * len(records))
    )
    subtitle = (
        f"{conditions}; batch and image size as published. Bars are 90% intervals of the prediction; numbers are "
        "predicted / published.",
        f"Published by timm, not measured here, in {source}.",
        *notes,
    )
    return titled(chart, _finding(rates), subtitle, width)


def _record(rate: ComparedRate) -> dict[str, Any]:
    outside = "" if rate.is_inside or rate.low is None else ", outside"
    return {
        **asdict(rate),
        "row": f"{rate.model}, {rate.img_size} px",
        "text": f"{format_ratio(rate.predicted / rate.published)}{outside}",
    }


def _marks(base: alt.Chart, scale: alt.Scale, axis: alt.Axis) -> alt.Chart:
    """Return the published rate as a circle, the predicted as a diamond."""
    names = ["published", "predicted"]
    legend = alt.Legend(orient="top", direction="horizontal")
    marks: alt.Chart = (
        base.transform_fold([*names], as_=["origin", "images_per_s"])
        .mark_point(filled=True, size=95, opacity=1)
        .encode(
            x=alt.X("images_per_s:Q", scale=scale, axis=axis),
            color=alt.Color(
                "origin:N", title=None, legend=legend, scale=alt.Scale(domain=names, range=[_PUBLISHED, _PREDICTED])
            ),
            shape=alt.Shape(
                "origin:N", title=None, legend=legend, scale=alt.Scale(domain=names, range=["circle", "diamond"])
            ),
            tooltip=[
                alt.Tooltip("model:N", title="Model"),
                alt.Tooltip("img_size:Q", title="Image size"),
                alt.Tooltip("batch:Q", title="Batch", format=","),
                alt.Tooltip("published:Q", title="Published", format=",.4~r"),
                alt.Tooltip("predicted:Q", title="Predicted", format=",.4~r"),
                alt.Tooltip("low:Q", title="90% interval from", format=",.4~r"),
                alt.Tooltip("high:Q", title="to", format=",.4~r"),
            ],
        )
    )
    return marks


def _finding(rates: Sequence[ComparedRate]) -> str:
    """Return how many published rates lie in the interval, and how far predictions are at most."""
    far = max((rate.predicted / rate.published for rate in rates), key=lambda ratio: max(ratio, 1 / ratio))
    if len(rates) == 1:
        return f"{rates[0].model}: predicted {format_ratio(far)} the published rate"
    known = [rate for rate in rates if rate.low is not None]
    if not known:
        return f"Predictions are at most {format_ratio(max(far, 1 / far))} from {len(rates)} published rates"
    inside = sum(rate.is_inside for rate in known)
    return f"{inside} of {len(known)} published rates lie in the predicted 90% interval"
