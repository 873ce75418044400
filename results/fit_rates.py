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
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import least_squares

from archbench.analyze.performance.kernel_table import KernelTable, kernel_times
from archbench.analyze.performance.model_basis import SMALL_BATCH
from archbench.analyze.performance.rate_basis import joined
from archbench.files import records_from_csv, write_whole
from archbench.hardware.find import find_device
from archbench.hardware.fit.coefficients import COEFFICIENTS, completed, mean_coefficients
from archbench.hardware.fit.tables import Interval, RateTable, rate_tables
from archbench.hardware.fit.transfer import table_of_another_form, transferred
from results.rate_features import FOLDER, kernel_tables, unpack

Floats = NDArray[np.float64]
TARGET = Path(__file__).parent.parent / "archbench" / "hardware" / "fit"
_FOLDS = 5
_COVERAGE = 0.9
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
        left_out |= {"copy_bytes", "layout_bytes", "group_norm_bytes"}
    else:
        left_out.add("reduction_bytes")
    if table.layout == "nhwc":
        left_out.add("layout_bytes")
    else:
        left_out |= {"odd_grouped", "odd_grouped_backward"}
    if table.dtype == "fp32":
        left_out |= {"masked_attention", "half_group_columns", "unaligned"}
    else:
        left_out.add("weight_bytes")
    return [name for name in COEFFICIENTS if name not in left_out]


def fit(given: Problem, chosen: Any) -> dict[str, float]:
    """Return the coefficients fitted to the chosen rates.

    Each family weighs as the root of its number of rates. Coefficients that these hardly decide stay at their usual
    values.
    """
    names = names_of(given.table)
    usual = np.array([log(COEFFICIENTS[name].usual) for name in names])
    spread = np.array([COEFFICIENTS[name].spread for name in names])
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

    limits = np.log([(COEFFICIENTS[name].low, COEFFICIENTS[name].high) for name in names]).T
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


def unseen_predictions(given: Problem, coefficients: Mapping[str, float]) -> Floats:
    """Return the rates predicted by fits that did not see a model's family.

    `coefficients` are those fitted to all of `fit`.
    """
    predicted = given.predicted(coefficients)
    is_fit = (given.rows.split == "fit").to_numpy()
    families = sorted(set(given.rows.family[is_fit]))
    for fold in range(_FOLDS):
        held = given.rows.family.isin(families[fold::_FOLDS]).to_numpy()
        predicted[held] = given.predicted(fit(given, is_fit & ~held))[held]
    return predicted


def conformal_factor(errors: Floats, families: Iterable[str]) -> float:
    """Return the factor that holds 90% of the errors of a new family (split conformal, each family of equal weight).

    `errors` are logarithms of predicted over published rates. Source: Dunn, Wasserman and Ramdas: Distribution-free
    prediction sets for two-layer hierarchical models, 2023.
    """
    size, family = np.abs(errors), pd.Series(list(families))
    weight = 1 / family.map(family.value_counts()).to_numpy(float)
    order = np.argsort(size)
    number = family.nunique()
    reached = np.cumsum(weight[order]) / weight.sum()
    place = int(np.searchsorted(reached, min(1.0, _COVERAGE * (1 + 1 / number)) - 1e-9))
    return float(np.exp(size[order][min(place, len(order) - 1)]))


def main() -> None:
    """Fit all tables, write coefficients and intervals, and print the errors."""
    rates, features = published_rates(), unpack()
    params = traced_params()
    problems = [problem(table, rates, features, params) for table in rate_tables()]
    fitted = {given.table.name: fit(given, (given.rows.split == "fit").to_numpy()) for given in problems}
    found, predictions = [], []
    for given in problems:
        name = given.table.name
        predicted = unseen_predictions(given, fitted[name])
        rows = given.rows.assign(predicted=predicted, error=np.log(predicted / given.published))
        predictions.append(rows)
        factor = conformal_factor(rows.error.to_numpy(), rows.family)
        found.append(Interval(name, round(factor, 3), rows.model.nunique(), rows.family.nunique()))
        _print(name, rows, factor)
    found += [_other_devices(problems, fitted), _other_forms(problems, fitted), _small_batches(predictions, found)]
    _write("coefficients.csv", ["table", "coefficient", "value"], _values(fitted))
    _write("intervals.csv", [field.name for field in fields(Interval)], [asdict(entry).values() for entry in found])
    columns = ["source", "model", "family", "split", "img_size", "batch", "samples_per_s", "predicted"]
    table = pd.concat(predictions)[columns].assign(predicted=lambda rows: rows.predicted.map("{:.5g}".format))
    table.to_csv(FOLDER / "predictions.csv.xz", index=False)


def _other_devices(problems: Sequence[Problem], fitted: Mapping[str, Mapping[str, float]]) -> Interval:
    """Return the interval of rates predicted by the mean coefficients of other devices' tables of the same form."""
    errors = []
    for given in problems:
        others = [
            fitted[other.table.name]
            for other in problems
            if other.table.device != given.table.device and _is_of_form(other.table, given.table)
        ]
        if others:
            predicted = given.predicted(mean_coefficients(others))
            errors.append(given.rows.assign(error=np.log(predicted / given.published)))
            _print(f"without {given.table.device}: {given.table.name}", errors[-1], float("nan"))
    rows = pd.concat(errors)
    factor = conformal_factor(rows.error.to_numpy(), rows.family)
    print(f"other devices: factor {factor:.2f}; joined with itself {joined(factor, factor):.2f}")
    return Interval("other devices", round(factor, 3), rows.model.nunique(), rows.family.nunique())


def _is_of_form(one: RateTable, other: RateTable) -> bool:
    form = (one.mode, one.layout, one.is_compiled, one.dtype)
    return form == (other.mode, other.layout, other.is_compiled, other.dtype)


def _other_forms(problems: Sequence[Problem], fitted: Mapping[str, Mapping[str, float]]) -> Interval:
    """Return the interval of rates predicted from other devices' tables and the device's own ones of another form."""
    inferences = [given for given in problems if given.table.mode == "eval" and given.table.dtype != "fp32"]
    tables, errors = [given.table for given in inferences], []
    for given in inferences:
        others = [table for table in tables if not _is_of_form(table, given.table)]
        similar = [table for table in tables if table not in others and table.device != given.table.device]
        own = table_of_another_form(given.table.device, others, similar)
        if own is not None:
            error = np.log(given.predicted(transferred(similar, own, others, fitted)) / given.published)
            errors.append(given.rows.assign(error=error))
            _print(f"by {own.name}: {given.table.name}", errors[-1], float("nan"))
    rows = pd.concat(errors)
    factor = conformal_factor(rows.error.to_numpy(), rows.family)
    print(f"other forms: factor {factor:.2f}")
    return Interval("other forms", round(factor, 3), rows.model.nunique(), rows.family.nunique())


def _small_batches(predictions: Sequence[pd.DataFrame], known: Sequence[Interval]) -> Interval:
    """Return the interval that, joined to that of each GPU's table, holds 90% of its rates of small batches."""
    rows = pd.concat(predictions)
    rows = rows[(rows.device != "i9_10940x") & (rows.batch < SMALL_BATCH)]
    factors = {interval.name: interval.factor for interval in known}
    beyond = (rows.error**2 - rows.source.map(factors).map(log) ** 2).clip(lower=0) ** 0.5
    factor = conformal_factor(beyond.to_numpy(), rows.family)
    _print("small batches", rows.assign(error=beyond), factor)
    return Interval("small batches", round(factor, 3), rows.model.nunique(), rows.family.nunique())


def _print(name: str, rows: pd.DataFrame, factor: float) -> None:
    parts = [f"{name:<72}"]
    for split in ("fit", "judge"):
        error = (np.exp(rows.error[rows.split == split]) - 1).abs()
        covers = (rows.error[rows.split == split].abs() <= log(factor)).mean() if factor == factor else float("nan")
        parts.append(f"{split} {error.median():.1%} / {error.quantile(0.9):.1%}, covered {covers:.0%};")
    print(*parts, f"factor {factor:.2f}, {len(rows)} rates")


def _values(fitted: Mapping[str, Mapping[str, float]]) -> list[tuple[str, str, str]]:
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
