"""Fit the coefficients of the predicted rates to published ones, and find the intervals of the predictions.

    python results/fit_rates.py

Reads the published rates and the packed kernels in `results/rates`; writes `coefficients.csv` and `intervals.csv` in
`archbench/hardware/fit`, and prints how far the predictions are off. Takes about a minute.

Coefficients are fitted to the families of the split `fit`. Errors are those of families that a fit did not see: the
split `judge`, and each fifth of the other families, predicted by a fit to the rest.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import log
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import least_squares

from archbench.analyze.performance.kernel_table import KernelTable, kernel_times
from archbench.files import records_from_csv, write_whole
from archbench.hardware.find import find_device
from archbench.hardware.fit.coefficients import COEFFICIENTS, coefficients_on, completed
from archbench.hardware.fit.tables import Interval, RateTable, rate_tables
from archbench.hardware.fit.transfer import Fitted
from results.rate_features import FOLDER, kernel_tables, unpack
from results.rate_intervals import Fits, conformal_factor, other_device_errors, other_form_errors, small_batch_errors

Floats = NDArray[np.float64]
TARGET = Path(__file__).parent.parent / "archbench" / "hardware" / "fit"
_FOLDS = 5
# Robust losses on the error of the logarithm: a few families that are off do not decide.
_SCALE = {"eval": 0.06, "train": 0.12, "cpu": 0.12}


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Published rates that are left out: those of a model in tables whose names end so."""

    model: str
    table: str
    reason: str


@dataclass(frozen=True, slots=True)
class Problem:
    """The rates of one table that can be predicted, and the kernels of each; `rows` has one row per rate."""

    table: RateTable
    rows: pd.DataFrame
    kernels: KernelTable
    count: Floats
    run: Floats
    bandwidth: float

    @property
    def published(self) -> Floats:
        """The published rates in samples per second."""
        return self.rows.samples_per_s.to_numpy(float)

    def predicted(self, coefficients: Mapping[str, float]) -> Floats:
        """Return the predicted rates in samples per second."""
        times = kernel_times(self.kernels, completed(coefficients), self.bandwidth)
        step_s = np.bincount(self.run.astype(int), times.total_s * self.count, len(self.rows))
        rates: Floats = self.rows.batch.to_numpy(float) / step_s
        return rates


def published_rates() -> pd.DataFrame:
    """Return the published rates with the family of each model, without those that are left out."""
    rates: pd.DataFrame = pd.read_csv(FOLDER / "published.csv.xz")
    rates["family"] = rates.model.map(pd.read_csv(FOLDER / "models.csv").set_index("model").module)
    contradictory = _anomalous(rates)
    return rates.loc[~contradictory]


def _anomalous(rates: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rates are listed; a name that ends in `_` stands for all that start so."""
    is_listed = np.zeros(len(rates), dtype=bool)
    for entry in records_from_csv((FOLDER / "anomalies.csv").read_text("utf-8"), Anomaly):
        is_prefix = entry.model.endswith("_")
        named = rates.model.str.startswith(entry.model) if is_prefix else rates.model == entry.model
        is_listed |= (named & rates.source.str.endswith(entry.table)).to_numpy(bool)
    return is_listed


def traced_params() -> dict[str, int]:
    """Return the number of parameters of each trace."""
    table = pd.read_csv(FOLDER / "params.csv")
    return {str(name): int(params) for name, params in zip(table.trace, table.params, strict=True)}


def trace_names(table: RateTable, rows: pd.DataFrame, known: Iterable[str]) -> list[str | None]:
    """Return the name of the trace of each rate under the table's conditions, None where there is none."""
    form = "compiled" if table.is_compiled else table.layout
    kind = "train" if table.mode == "train" else "cpu" if table.dtype == "fp32" else ""
    kind = kind or ("fast" if table.has_fast_norm else "plain")
    changes = (
        [""]
        if kind in ("train", "cpu")
        else ["rep"] * table.is_reparameterized + ["half"] * table.has_half_attention + [""]
    )
    names, traces = [], set(known)
    for row in rows.itertuples():
        candidates = (f"{row.model}@{row.img_size}@{kind}{change}@{form}" for change in changes)
        names.append(next((name for name in candidates if name in traces), None))
    return names


def problem(table: RateTable, rates: pd.DataFrame, features: dict[str, Any], params: Mapping[str, int]) -> Problem:
    """Return the rates of a table whose models are traced; a model with other parameters than published is left out."""
    rows = rates[rates.source == table.name].copy()
    rows["trace"] = trace_names(table, rows, features)
    rows = rows.dropna(subset=["trace"])
    counted = rows.trace.map(lambda name: params["@".join(name.split("@")[:3])] / 1e6)
    rows = rows[(counted - rows.param_m).abs() <= 0.006 + 0.01 * rows.param_m].reset_index(drop=True)
    device = find_device(table.device)
    half, single = (device.peak("fp32"),) * 2 if device.kind == "cpu" else (device.peak("fp16"), device.peak("tf32"))
    kernels, count, run = kernel_tables(
        features, zip(rows.trace, rows.batch, strict=True), lambda is_half: np.where(is_half, half, single)
    )
    return Problem(table, rows, kernels, count, run, device.bandwidth_bytes_per_s)


def names_of(table: RateTable) -> list[str]:
    """Return the coefficients that a table decides."""
    left_out = set() if table.mode == "train" else {name for name in COEFFICIENTS if "backward" in name}
    if table.mode == "train":
        left_out |= {"attention", "masked_attention"}
    if table.is_compiled:
        left_out |= {"copy_bytes", "layout_bytes"}
    else:
        left_out.add("reduction_bytes")
    if table.layout == "nhwc":
        left_out.add("layout_bytes")
    else:
        left_out |= {"odd_grouped", "odd_grouped_backward"}
    if table.dtype == "fp32":
        left_out |= {"masked_attention", "half_group_columns", "unaligned"}
    else:
        left_out |= {"weight_bytes", "filter_bytes"}
        left_out |= {"group_norm_bytes"} if table.is_compiled else set()
    return [name for name in COEFFICIENTS if name not in left_out]


def fit(given: Problem, chosen: Any) -> dict[str, float]:
    """Return the coefficients fitted to the chosen rates.

    Each family weighs as the root of its number of rates. Coefficients that these hardly decide stay at their usual
    values.
    """
    names = names_of(given.table)
    known = coefficients_on("cpu" if given.table.dtype == "fp32" else "gpu")
    usual = np.array([log(known[name].usual) for name in names])
    spread = np.array([known[name].spread for name in names])
    part = subset(given, chosen)
    sizes = part.rows.family.map(part.rows.family.value_counts()).to_numpy(float)
    weight = np.sqrt(sizes**-0.5 / (sizes**-0.5).mean())
    scale = _SCALE["cpu" if given.table.dtype == "fp32" else given.table.mode]
    is_soft = given.table.mode == "train"
    target = np.log(part.published)

    def residuals(logs: Floats) -> Floats:
        error = np.log(part.predicted(dict(zip(names, np.exp(logs), strict=True)))) - target
        squared = (error / scale) ** 2
        loss = 2 * (np.sqrt(1 + squared) - 1) if is_soft else np.log1p(squared)
        held: Floats = np.concatenate([weight * np.sqrt(loss) * np.sign(error), (logs - usual) / spread])
        return held

    limits = np.log([(known[name].low, known[name].high) for name in names]).T
    found = least_squares(residuals, usual, bounds=tuple(limits), x_scale=spread, max_nfev=60)
    return {name: float(value) for name, value in zip(names, np.exp(found.x), strict=True)}


def subset(given: Problem, chosen: Any) -> Problem:
    """Return the problem with only the chosen rates."""
    chosen = np.asarray(chosen)
    place = np.cumsum(chosen) - 1
    kept = chosen[given.run.astype(int)]
    columns = {field.name: getattr(given.kernels, field.name)[kept] for field in fields(KernelTable)}
    return Problem(
        given.table,
        given.rows[chosen].reset_index(drop=True),
        KernelTable(**columns),
        given.count[kept],
        place[given.run.astype(int)[kept]],
        given.bandwidth,
    )


def folds(rates: pd.DataFrame) -> list[list[str]]:
    """Return the families of `fit` in fifths, the same for every table."""
    families = sorted(set(rates.family[rates.split == "fit"]))
    return [families[fold::_FOLDS] for fold in range(_FOLDS)]


def fits(problems: Sequence[Problem], left_out: Sequence[str]) -> Fitted:
    """Return the coefficients of each table fitted to `fit`, but for the families that are left out."""
    chosen = [(given.rows.split == "fit") & ~given.rows.family.isin(left_out) for given in problems]
    return {given.table.name: fit(given, rows.to_numpy()) for given, rows in zip(problems, chosen, strict=True)}


def main() -> None:
    """Fit all tables, write coefficients and intervals, and print the errors."""
    rates, features = published_rates(), unpack()
    params = traced_params()
    problems = [problem(table, rates, features, params) for table in rate_tables()]
    known = Fits(fits(problems, ()), [(families, fits(problems, families)) for families in folds(rates)])
    found, predictions = [], []
    for given in problems:
        name = given.table.name
        predictions.append(known.unseen_errors(given, itemgetter(name)))
        found.append(_interval(name, predictions[-1]))
    found.append(_interval("other devices", other_device_errors(problems, known)))
    found.append(_interval("other forms", other_form_errors(problems, known)))
    found.append(_interval("small batches", small_batch_errors(predictions, found)))
    _write("coefficients.csv", ["table", "coefficient", "value"], _values(known.whole))
    _write("intervals.csv", [field.name for field in fields(Interval)], [asdict(entry).values() for entry in found])
    columns = ["source", "model", "family", "split", "img_size", "batch", "samples_per_s", "predicted"]
    table = pd.concat(predictions)[columns].assign(predicted=lambda rows: rows.predicted.map("{:.5g}".format))
    table.to_csv(FOLDER / "predictions.csv.xz", index=False)


def _interval(name: str, rows: pd.DataFrame) -> Interval:
    factor = conformal_factor(rows.error.to_numpy(), rows.family)
    for source, part in rows.groupby("source"):
        _print(str(source), part, factor)
    if rows.source.nunique() > 1:
        _print(name, rows, factor)
    return Interval(name, round(factor, 3), rows.model.nunique(), rows.family.nunique())


def _print(name: str, rows: pd.DataFrame, factor: float) -> None:
    parts = [f"{name:<72}"]
    for split in ("fit", "judge"):
        error = (np.exp(rows.error[rows.split == split]) - 1).abs()
        if error.empty:
            continue
        covers = (rows.error[rows.split == split].abs() <= log(factor)).mean()
        parts.append(f"{split} {error.median():.1%} / {error.quantile(0.9):.1%}, covered {covers:.0%};")
    print(*parts, f"factor {factor:.2f}, {len(rows)} rates")


def _values(fitted: Fitted) -> list[tuple[str, str, str]]:
    return [
        (table, name, f"{value:.4g}") for table, coefficients in fitted.items() for name, value in coefficients.items()
    ]


def _write(name: str, header: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_whole(TARGET / name, text.getvalue())


if __name__ == "__main__":
    main()
