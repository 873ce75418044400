"""Published top-5 errors against MACs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import altair as alt

from archbench.models.card import reported_error
from archbench.reporting.charts.models_by_macs import MarkStyle, area_sentence, macs_plane, model_marks
from archbench.reporting.charts.plane import Scale
from archbench.reporting.charts.theme import COLOURS, WIDTH, layered, titled

if TYPE_CHECKING:
    from archbench.analyze.layers import Totals
    from archbench.models.card import Card
    from archbench.reporting.charts.theme import Chart

_STYLE = MarkStyle("top5_error_percent", "diamond", COLOURS[2])


@dataclass(frozen=True, slots=True)
class PublishedError:
    """A model's published top-5 error in percent with its protocol; parameters and MACs are for one image."""

    model: str
    title: str
    params: int
    macs: int
    top5_error_percent: float
    protocol: str


def published_error(model: str, card: Card | None, input_shape: Sequence[int], totals: Totals) -> PublishedError | None:
    """Return the published error of a model counted on one sample; None where its card has none for this shape."""
    error = reported_error(card, input_shape)
    if card is None or error is None:
        return None
    return PublishedError(model, card.title, totals.params, totals.macs, error, card.reported_protocol or "")


def published_error_chart(
    rows: Sequence[PublishedError], *, width: int = WIDTH, height: int | None = None, notes: Sequence[str] = ()
) -> Chart:
    """Return the published error of each model against MACs; the area is for parameters, a tooltip has the protocol."""
    records = [{**asdict(row), "label": row.model, "origin": "published"} for row in rows]
    errors = [row.top5_error_percent for row in rows]
    room = max(1.0, 0.15 * (max(errors) - min(errors)))
    axis = alt.Axis(title="Published top-5 error (%), lower is better", format="~g", tickMinStep=1)
    plane = macs_plane(records, Scale((max(0.0, min(errors) - room), max(errors) + room), axis), width, height)
    tooltip = [
        alt.Tooltip("top5_error_percent:Q", title="Top-5 error (%)"),
        alt.Tooltip("protocol:N", title="Protocol"),
    ]
    chart = layered(*model_marks(records, plane, _STYLE, tooltip)).properties(width=width, height=plane.height)
    protocols = len({row.protocol for row in rows})
    subtitle = [
        f"Published, not measured here: single networks on ImageNet, as their cards cite them.{area_sentence(rows)}",
        *([f"By {protocols} different protocols, so that small differences say nothing."] if protocols > 1 else []),
        *notes,
    ]
    best = min(rows, key=lambda row: row.top5_error_percent)
    heading = "Published top-5 error" if len(rows) == 1 else "Lowest published top-5 error"
    return titled(chart, f"{heading}: {best.title}, {best.top5_error_percent:g}%", subtitle, width)
