"""Intervals and verdicts of measurements hold as often as they state, in simulations with fixed seeds.

Bands allow for the number of trials: three standard errors of a fraction of 0.95 are 3.3 points for 400 trials.
"""

from __future__ import annotations

import pytest
from gate_power import power_rows
from simulations import coverage_of_one_process, coverage_of_processes, training_verdicts, verdicts

from archbench.measure.bench.ab_test import ABSamples
from archbench.statistics.pairs import compare_pairs

TRIALS = 400


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("count", [30, 50, 200])
def test_the_interval_of_correlated_samples_holds_or_is_flagged(count, correlation):
    found = coverage_of_one_process(count, correlation, trials=TRIALS)
    assert 0.90 <= found.covered <= 0.98 or found.flagged > 0.9
    assert found.covered > 0.85
    if correlation == 0:
        assert found.flagged < 0.05


@pytest.mark.parametrize(("spread", "correlation"), [(0.0, 0.0), (0.005, 0.3), (0.02, 0.5), (0.1, 0.8)])
def test_the_interval_of_several_processes_holds(spread, correlation):
    assert 0.90 <= coverage_of_processes(spread, correlation, trials=TRIALS).covered <= 0.98


@pytest.mark.parametrize("spread", [0.0, 0.005, 0.01, 0.02, 0.05, 0.1])
def test_equal_models_are_seldom_called_different_however_much_processes_differ(spread):
    found = verdicts(spread, 1.0, trials=TRIALS)
    assert found.different <= 0.05
    assert 0.02 <= found.significant <= 0.085
    assert 0.915 <= found.covered <= 0.98


def test_ten_percent_are_found_where_processes_differ_by_two():
    assert verdicts(0.02, 1.1, trials=TRIALS).different >= 0.8


def test_three_percent_are_found_where_processes_do_not_differ():
    assert verdicts(0.0, 1.03, trials=TRIALS).different >= 0.8


def test_the_power_of_the_gate_is_counted_from_the_same_samples_with_each_slowdown():
    # Without noise or floor: 1% does not matter, 2% is the limit itself, which rounding decides; 5% and 10% are beyond.
    times = (0.1,) * 21
    test = ABSamples(compare_pairs([times[:3]] * 7, [times[:3]] * 7, floor=0.0), times, times, times)
    rows = list(power_rows([test, test]))
    assert [row["slowdown"] for row in rows] == [0.0, 0.01, 0.02, 0.05, 0.10]
    assert [row["gate_fails"] for row in rows if row["slowdown"] != 0.02] == [0, 0, 1, 1]
    assert [row["called_slower"] for row in rows] == [0, 0, 1, 1, 1]


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_equal_trained_models_are_seldom_called_different_and_intervals_hold(seeds):
    found = training_verdicts(seeds, (0.6, 0.6), trials=200)
    # 5% and three standard errors of 1.5 points.
    assert found.false <= 0.095
    assert found.covered >= 0.905


def test_of_five_equal_models_any_false_claim_is_as_rare():
    assert training_verdicts(3, (0.6,) * 5, trials=100).false <= 0.115


def test_two_points_are_found_with_three_seeds():
    found = training_verdicts(3, (0.6, 0.62), trials=100)
    assert found.decided >= 0.75
    assert found.half_width < 0.016
