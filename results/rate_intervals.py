"""The intervals of predicted rates: errors for families, devices and forms that no fit saw, and their quantiles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import log
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from archbench.analyze.performance.model_basis import SMALL_BATCH
from archbench.hardware.fit.tables import Interval, RateTable
from archbench.hardware.fit.transfer import Fitted, mean_over_devices, table_of_another_form, transferred

if TYPE_CHECKING:
    from results.fit_rates import Problem

_COVERAGE = 0.9


@dataclass(frozen=True, slots=True)
class Fits:
    """Coefficients of all tables, fitted to all of `fit`, and to what is left of it without each fifth."""

    whole: Fitted
    without: Sequence[tuple[Sequence[str], Fitted]]

    def unseen_errors(self, given: Problem, coefficients: Callable[[Fitted], Mapping[str, float]]) -> pd.DataFrame:
        """Return the rows of a table with rates predicted by fits that did not see a model's family.

        `coefficients` returns those to predict with from those of all tables. Errors are logarithms of predicted over
        published rates.
        """
        predicted = given.predicted(coefficients(self.whole))
        for families, fitted in self.without:
            held = given.rows.family.isin(families).to_numpy()
            predicted[held] = given.predicted(coefficients(fitted))[held]
        return given.rows.assign(predicted=predicted, error=np.log(predicted / given.published))


def conformal_factor(errors: NDArray[np.float64], families: Iterable[str]) -> float:
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


def other_device_errors(problems: Sequence[Problem], known: Fits) -> pd.DataFrame:
    """Return the rows of tables that other devices have as well, predicted by the means of their coefficients.

    `error` is as in `Fits.unseen_errors`.
    """
    errors = []
    for given in problems:
        tables = [other.table for other in problems if _is_of_form(other.table, given.table)]
        others = [table for table in tables if table.device != given.table.device]
        if others:
            errors.append(known.unseen_errors(given, partial(mean_over_devices, others)))
    return pd.concat(errors)


def other_form_errors(problems: Sequence[Problem], known: Fits) -> pd.DataFrame:
    """Return the rows of GPUs' tables of inference, predicted as for a device with rates of another form alone.

    `error` is as in `Fits.unseen_errors`.
    """
    inferences = [given for given in problems if given.table.mode == "eval" and given.table.dtype != "fp32"]
    tables, errors = [given.table for given in inferences], []
    for given in inferences:
        others = [table for table in tables if not _is_of_form(table, given.table)]
        similar = [table for table in tables if table not in others and table.device != given.table.device]
        own = table_of_another_form(given.table.device, others, similar)
        if own is not None:
            errors.append(known.unseen_errors(given, partial(transferred, similar, own, others)))
    return pd.concat(errors)


def _is_of_form(one: RateTable, other: RateTable) -> bool:
    form = (one.mode, one.layout, one.is_compiled, one.dtype)
    return form == (other.mode, other.layout, other.is_compiled, other.dtype)


def small_batch_errors(predictions: Sequence[pd.DataFrame], known: Iterable[Interval]) -> pd.DataFrame:
    """Return the rows of GPUs' small batches; errors are what has to be joined to the factor of each table."""
    rows = pd.concat(predictions)
    rows = rows[(rows.device != "i9_10940x") & (rows.batch < SMALL_BATCH)]
    own = rows.source.map({interval.name: log(interval.factor) for interval in known})
    return rows.assign(error=np.sqrt((rows.error**2 - own**2).clip(lower=0)))
