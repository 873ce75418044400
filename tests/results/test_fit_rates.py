"""The fit of the predicted rates: what is committed is what the published rates give, and is plausible."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archbench.hardware.fit.coefficients import COEFFICIENTS
from archbench.hardware.fit.tables import fitted_coefficients, intervals, rate_tables
from results import fit_rates, rate_features, rate_intervals

MAX_PACKED_BYTES = 3_000_000


@pytest.fixture(scope="module")
def problems():
    rates, features = fit_rates.published_rates(), rate_features.unpack()
    params = fit_rates.traced_params()
    return [fit_rates.problem(table, rates, features, params) for table in rate_tables()]


@pytest.mark.slow
def test_a_new_fit_predicts_the_committed_rates(problems):
    for problem in problems:
        again = fit_rates.fit(problem, (problem.rows.split == "fit").to_numpy())
        committed = problem.predicted(fitted_coefficients()[problem.table.name])
        np.testing.assert_allclose(problem.predicted(again), committed, rtol=0.005)


@pytest.mark.slow
def test_every_table_beats_a_roofline_of_two_coefficients(problems):
    for problem in problems:
        coefficients = fitted_coefficients()[problem.table.name]
        is_judge = (problem.rows.split == "judge").to_numpy()
        fitted = np.abs(np.log(problem.predicted(coefficients) / problem.published))[is_judge]
        # Seconds a sample from published MACs and activations, by least relative squares on `fit`.
        rows = problem.rows
        if rows.gmacs.isna().all():
            continue
        terms = rows[["gmacs", "macts"]].to_numpy(float) * problem.published[:, None]
        weights = np.linalg.lstsq(terms[~is_judge], np.ones((~is_judge).sum()), rcond=None)[0]
        simple = np.abs(np.log(1 / (terms @ weights)))[is_judge]
        assert np.median(fitted) < np.median(simple), problem.table.name


# The coefficients that a fit would move out of their plausible range: what they stand for is not resolved in the table.
AT_A_LIMIT = {
    ("benchmark-infer-amp-nhwc-pt240-cu124-rtx3090", "unaligned"),  # odd sizes cost nothing here
    ("benchmark-infer-amp-nhwc-pt240-cu124-rtx4090", "unaligned"),
    # Attention as separate products reads much; product_bytes (0.36) takes more of its time than is right.
    ("benchmark-train-amp-nhwc-pt112-cu113-rtx3090", "product"),
}


def test_every_coefficient_is_plausible_and_those_at_a_limit_are_known():
    # A fit is held within the plausible ranges, so an impossible value shows as one at the end of its range.
    at_a_limit = set()
    for table, coefficients in fitted_coefficients().items():
        for name, value in coefficients.items():
            known = COEFFICIENTS[name]
            assert known.low <= value <= known.high, (table, name, value)
            if not 1.005 * known.low < value < 0.995 * known.high:
                at_a_limit.add((table, name))
    assert at_a_limit == AT_A_LIMIT
    assert set(fitted_coefficients()) == {table.name for table in rate_tables()}
    assert all(len(coefficients) <= 21 for coefficients in fitted_coefficients().values())


def test_intervals_are_as_wide_as_stated():
    known = intervals()
    for table in rate_tables():
        limit = 1.6 if table.mode == "train" or table.dtype == "fp32" else 1.35
        assert 1.05 < known[table.name].factor <= limit, table.name
        assert known[table.name].families >= 40
    assert 1.05 < known["other devices"].factor <= 1.3
    assert 1.05 < known["other forms"].factor <= 1.3


def test_factors_hold_nine_of_ten_errors_of_a_new_family():
    # Those of tables and of small batches follow from the committed predictions, which are rounded to 5 digits.
    rows = pd.read_csv(rate_features.FOLDER / "predictions.csv.xz")
    rows = rows.assign(error=np.log(rows.predicted / rows.samples_per_s))
    known = intervals()
    tables = {table.name: rows[rows.source == table.name] for table in rate_tables()}
    for name, own in tables.items():
        assert rate_intervals.conformal_factor(own.error.to_numpy(), own.family) == pytest.approx(
            known[name].factor, abs=1e-3
        )
    gpus = [tables[table.name].assign(device=table.device) for table in rate_tables()]
    small = rate_intervals.small_batch_errors(gpus, known.values())
    factor = rate_intervals.conformal_factor(small.error.to_numpy(), small.family)
    assert factor == pytest.approx(known["small batches"].factor, abs=2e-3)


@pytest.mark.slow
def test_predictions_without_a_device_s_own_rates_are_as_good_as_stated(problems):
    # Neither the device nor the families of `judge` were seen.
    known = rate_intervals.Fits(fitted_coefficients(), ())
    devices = rate_intervals.other_device_errors(problems, known)
    forms = rate_intervals.other_form_errors(problems, known)
    for name, rows in (("other devices", devices), ("other forms", forms)):
        judged = rows[rows.split == "judge"]
        inside = judged.error.abs() <= np.log(intervals()[name].factor)
        assert 0.8 <= inside.mean() <= 0.97
        assert inside.groupby(judged.family).mean().mean() >= 0.85


def test_the_packed_kernels_are_small():
    assert rate_features.FEATURES.stat().st_size <= MAX_PACKED_BYTES


@given(st.lists(st.floats(0.01, 2), min_size=40, max_size=200), st.integers(2, 9))
def test_the_conformal_factor_holds_nine_of_ten_errors(errors, families):
    # With families of equal size every error weighs the same: the factor is an error that at least 90% do not exceed.
    named = [f"family {i % families}" for i in range(len(errors) - len(errors) % families)]
    errors = np.array(errors[: len(named)])
    factor = rate_intervals.conformal_factor(errors, named)
    assert (errors <= np.log(factor) + 1e-12).mean() >= 0.9
    assert np.isclose(np.log(factor), errors).any()
