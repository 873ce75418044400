"""Write `docs/published_rates.md`: predicted against published rates, from `results/rates/predictions.csv.xz`.

python results/make_rates_page.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import fill

import altair as alt
import numpy as np
import pandas as pd

from archbench.analyze.performance.model_basis import SMALL_BATCH
from archbench.files import write_whole
from archbench.hardware.fit.tables import RateTable, fitted_coefficients, intervals, rate_tables
from results.fit_rates import problem, published_rates, traced_params
from results.rate_features import FOLDER, unpack
from results.rate_intervals import Fits, other_device_errors, other_form_errors

TARGET = Path(__file__).parent.parent / "docs" / "published_rates.md"
PICTURES = TARGET.parent / "pictures"

INTRODUCTION = """# Published and predicted rates

The timm project publishes the throughput of about 1,000 models. Here each is predicted by a fit that did not see the
model's family: `judge` families are never fitted to, a fifth of the others at a time is left out of the fit. Errors are
|predicted / published - 1|, median and 90th percentile. The factor is that of the 90% interval, *inside* the part of
the published rates within it; the factor is set by these same errors, so only other families can test it. Beside it the
median error on `judge` of two simpler predictions, fitted to the same `fit` rates: by MACs alone, and by MACs and
activations (where timm publishes them). `make fit` makes this page.

"""

WITHOUT_OWN_RATES = """
The factors for predictions without a device's own rates are conformal as well: the 90% quantile of the errors of fits
that saw neither the device nor the family. All families count, each with the same weight; those of `judge` alone are so
few that the quantile for a new family would be near the largest error.
"""

CHARTS = """
Each point is a model at an image size; the shaded band is the 90% interval, the line where both are equal:

![Predicted against published samples per second for each table](pictures/published_rates.png)

The median of predicted / published for each family, on a logarithmic axis, with the interval shaded:

![Residuals of each family for each table](pictures/published_rates_families.png)
"""


def main() -> None:
    """Write the page."""
    predictions = pd.read_csv(FOLDER / "predictions.csv.xz")
    predictions["error"] = np.log(predictions.predicted / predictions.samples_per_s)
    published = pd.read_csv(FOLDER / "published.csv.xz")
    keys = ["source", "model", "img_size"]
    rows = predictions.merge(published[[*keys, "gmacs", "macts"]], on=keys)
    _scatter(rows).save(PICTURES / "published_rates.png", scale_factor=1)
    _residuals(rows).save(PICTURES / "published_rates_families.png", scale_factor=1)
    parts = [INTRODUCTION, *_errors(rows), *_others(), _small(rows), CHARTS, *_worst(rows), *_anomalies()]
    write_whole(TARGET, "\n".join(parts) + "\n")
    print(f"wrote {TARGET}")


def _scatter(rows: pd.DataFrame) -> alt.VConcatChart:
    """Return predicted against published rates, one panel a table, with the interval as a band."""
    panels = []
    for table in rate_tables():
        own, factor = rows[rows.source == table.name], intervals()[table.name].factor
        ends = pd.DataFrame({"samples_per_s": [own.samples_per_s.min(), own.samples_per_s.max()]})
        ends = ends.assign(low=ends.samples_per_s / factor, high=ends.samples_per_s * factor)
        x = alt.X("samples_per_s:Q", scale=_LOG, title="published samples/s", axis=alt.Axis(grid=False, tickCount=4))
        band = (
            alt.Chart(ends)
            .mark_area(opacity=0.25, color="gray")
            .encode(x, alt.Y("low:Q", scale=_LOG), alt.Y2("high:Q"))
        )
        line = alt.Chart(ends).mark_line(color="gray", strokeWidth=1).encode(x, alt.Y("samples_per_s:Q", scale=_LOG))
        points = alt.Chart(own).mark_circle(size=6, opacity=0.6)
        shown = points.encode(
            x, alt.Y("predicted:Q", scale=_LOG, title="predicted", axis=alt.Axis(grid=False, tickCount=4)), _SPLITS
        )
        panels.append((band + line + shown).properties(width=220, height=180, title=_short(table)))
    return _grid(panels)


def _residuals(rows: pd.DataFrame) -> alt.VConcatChart:
    """Return the median residual of each family, one panel a table, sorted by its size."""
    panels = []
    for table in rate_tables():
        own, factor = rows[rows.source == table.name], intervals()[table.name].factor
        median = own.groupby(["family", "split"]).error.median().reset_index().sort_values("error")
        median = median.assign(ratio=np.exp(median.error), place=range(len(median)))
        y = alt.Y("ratio:Q", scale=_RATIOS, title="predicted / published")
        limits = pd.DataFrame({"low": [1 / factor], "high": [factor]})
        band = (
            alt.Chart(limits)
            .mark_rect(opacity=0.25, color="gray")
            .encode(alt.Y("low:Q", scale=_RATIOS), alt.Y2("high:Q"))
        )
        x = alt.X("place:Q", axis=None)
        dots = alt.Chart(median).mark_circle(size=25).encode(x, y, _SPLITS)
        panels.append((band + dots).properties(width=220, height=180, title=_short(table)))
    return _grid(panels)


_LOG = alt.Scale(type="log", nice=False)
_RATIOS = alt.Scale(type="log", domain=[0.5, 3])
_SPLITS = alt.Color("split:N", title="families")


def _grid(panels: list[alt.LayerChart]) -> alt.VConcatChart:
    return alt.vconcat(*(alt.hconcat(*panels[i : i + 3]) for i in range(0, len(panels), 3)))


def _short(table: RateTable) -> str:
    return f"{table.device} {table.mode} {'compiled' if table.is_compiled else table.layout}, torch {table.torch}"


def _title(table: RateTable) -> str:
    form = "compiled" if table.is_compiled else "eager"
    return f"{table.device} {table.mode} {table.dtype} {table.layout} {form}, torch {table.torch}"


def _errors(rows: pd.DataFrame) -> Iterator[str]:
    yield "| table | rates | `fit` families | `judge` families | factor | inside (`judge`) | MACs | two |"
    yield "|---|---|---|---|---|---|---|---|"
    for table in rate_tables():
        own = rows[rows.source == table.name]
        factor = intervals()[table.name].factor
        judged = own[own.split == "judge"]
        inside = [float((part.error.abs() <= np.log(factor)).mean()) for part in (own, judged)]
        errors = " | ".join(_error(own[own.split == split].error) for split in ("fit", "judge"))
        simple = " | ".join(_simple(own, terms) for terms in (["gmacs"], ["gmacs", "macts"]))
        held = f"{inside[0]:.0%} ({inside[1]:.0%})"
        yield f"| {_title(table)} | {len(own):,} | {errors} | {factor:.2f} | {held} | {simple} |"


def _others() -> Iterator[str]:
    """Yield how far predictions are off without a device's own rates, and for small batches."""
    rates = published_rates()
    features, params = unpack(), traced_params()
    problems = [problem(table, rates, features, params) for table in rate_tables()]
    # No fit saw the families of `judge`.
    known = Fits(fitted_coefficients(), ())
    devices, forms = other_device_errors(problems, known), other_form_errors(problems, known)
    yield WITHOUT_OWN_RATES
    yield "| predicted without | `judge` families | factor | inside (`judge`) | inside, families of equal weight |"
    yield "|---|---|---|---|---|"
    yield _left_out("the device, by the others' mean coefficients", "other devices", devices)
    yield _left_out("the layout or form, by other devices and the device's other rates", "other forms", forms)


def _left_out(what: str, name: str, rows: pd.DataFrame) -> str:
    judged, factor = rows[rows.split == "judge"], intervals()[name].factor
    inside = judged.error.abs() <= np.log(factor)
    by_family = inside.groupby(judged.family).mean().mean()
    return f"| {what} | {_error(judged.error)} | {factor:.2f} | {inside.mean():.0%} | {by_family:.0%} |"


def _small(rows: pd.DataFrame) -> str:
    """Return how many rates of small batches lie inside, without and with the factor for them."""
    small = rows[~rows.source.str.contains("-cpu-") & (rows.batch < SMALL_BATCH)]
    own = np.log(small.source.map({interval.name: interval.factor for interval in intervals().values()}))
    factor = intervals()["small batches"].factor
    joined = np.hypot(own, np.log(factor))
    before, after = ((small.error.abs() <= width) for width in (own, joined))
    families = small.family.nunique()
    text = (
        f"Of {len(small)} published rates of GPUs in batches below {SMALL_BATCH}, of {families} families, "
        f"{before.mean():.0%} lie inside the intervals of their tables. A factor of {factor:.2f}, joined to those of "
        f"the tables, holds {after.mean():.0%}; the median factor grows from {np.exp(np.median(own)):.2f} to "
        f"{np.exp(np.median(joined)):.2f}."
    )
    return f"\n{fill(text, 120)}"


def _error(errors: pd.Series[float]) -> str:
    size = np.abs(np.exp(errors) - 1)
    return f"{size.median():.1%} / {size.quantile(0.9):.1%}"


def _simple(rows: pd.DataFrame, terms: list[str]) -> str:
    """Return the median error on `judge` of seconds as a weighted sum of published counts, - where there are none."""
    rows = rows.dropna(subset=terms)
    if rows.empty:
        return "-"
    relative = rows[terms].to_numpy(float) * rows.samples_per_s.to_numpy(float)[:, None]
    is_fit = (rows.split == "fit").to_numpy()
    weights = np.linalg.lstsq(relative[is_fit], np.ones(is_fit.sum()), rcond=None)[0]
    return f"{np.median(np.abs(1 / (relative[~is_fit] @ weights) - 1)):.1%}"


def _worst(rows: pd.DataFrame) -> Iterator[str]:
    yield "\n## The worst families\n\nThe median of predicted / published for the ten families that are farthest off.\n"
    for table in rate_tables():
        own = rows[rows.source == table.name]
        median = own.groupby("family").error.median()
        worst = median.reindex(median.abs().sort_values(ascending=False).index).head(10)
        families = ", ".join(f"{family} {np.exp(error):.2f}" for family, error in worst.items())
        yield f"- {_title(table)}: {families}"


def _anomalies() -> Iterator[str]:
    yield "\n## Rates that are left out\n\nThey are not fitted and not judged.\n"
    yield "| model | table | reason |"
    yield "|---|---|---|"
    for entry in pd.read_csv(FOLDER / "anomalies.csv").fillna("all").itertuples():
        yield f"| {str(entry.model).removesuffix('_')} | {str(entry.table).removeprefix('-')} | {entry.reason} |"


if __name__ == "__main__":
    main()
