"""Write `docs/published_rates.md`: predicted against published rates, from `results/rates/predictions.csv.xz`.

python results/make_rates_page.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from archbench.files import write_whole
from archbench.hardware.fit.tables import RateTable, intervals, rate_tables
from results.rate_features import FOLDER

TARGET = Path(__file__).parent.parent / "docs" / "published_rates.md"

INTRODUCTION = """# Published and predicted rates

The timm project publishes the throughput of about 1,000 models. Here each is predicted by a fit that did not see the
model's family: `judge` families are never fitted to, a fifth of the others at a time is left out of the fit. Errors are
|predicted / published - 1|, median and 90th percentile. The factor is that of the 90% interval, *inside* the part of
the published rates within it. Beside it the median error on `judge` of two simpler predictions, fitted to the same
`fit` rates: by MACs alone, and by MACs and activations (where timm publishes them). `make fit` and
`results/make_rates_page.py` make this page.

"""


def main() -> None:
    """Write the page."""
    predictions = pd.read_csv(FOLDER / "predictions.csv.xz")
    predictions["error"] = np.log(predictions.predicted / predictions.samples_per_s)
    published = pd.read_csv(FOLDER / "published.csv.xz")
    keys = ["source", "model", "img_size"]
    rows = predictions.merge(published[[*keys, "gmacs", "macts"]], on=keys)
    parts = [INTRODUCTION, *_errors(rows), *_worst(rows), *_anomalies()]
    write_whole(TARGET, "\n".join(parts) + "\n")
    print(f"wrote {TARGET}")


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
    other = intervals()["other devices"]
    yield f"\nA device left out of the fit, predicted by the others' mean coefficients: factor {other.factor:.2f}."


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
    yield "\n## Rates that contradict themselves\n\nThey are not fitted and not judged.\n"
    yield "| model | table | reason |"
    yield "|---|---|---|"
    for entry in pd.read_csv(FOLDER / "anomalies.csv").fillna("all").itertuples():
        yield f"| {str(entry.model).removesuffix('_')} | {str(entry.table).removeprefix('-')} | {entry.reason} |"


if __name__ == "__main__":
    main()
