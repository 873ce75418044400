from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archbench.analyze.performance.bias import corrected, median_ratio, ratio_spread
from archbench.analyze.performance.rate_basis import joined, rate_basis
from archbench.analyze.performance.roofline import Conditions, time_s
from archbench.hardware.find import find_device
from archbench.precision import find_precision

DEVICE = find_device("rtx4090")
KNOWN = rate_basis(DEVICE, mode="eval", dtype="amp-fp16", layout="nhwc", is_compiled=False)
RATIOS = st.lists(st.floats(0.01, 100), min_size=1, max_size=6)


def test_the_bias_is_the_median_ratio_of_measured_to_predicted():
    assert median_ratio([8, 0.5, 1.25]) == pytest.approx(1.25)


def test_two_middle_ratios_are_averaged_geometrically():
    # Twice as fast and half as fast cancel out; the arithmetic mean would be 1.25.
    assert median_ratio([2, 0.5]) == pytest.approx(1.0)


@given(RATIOS)
def test_ratios_divided_by_their_bias_have_none(ratios):
    bias = median_ratio(ratios)
    assert median_ratio([ratio / bias for ratio in ratios]) == pytest.approx(1.0)


def test_the_spread_is_that_of_the_farthest_ratio_in_either_direction():
    # The median is 0.8: 0.4 is a factor of 2 below, 1.2 a factor of 1.5 above.
    assert ratio_spread([1.2, 0.8, 0.4]) == pytest.approx(2)


@given(RATIOS)
def test_all_ratios_lie_within_the_spread_around_the_bias(ratios):
    bias, spread = median_ratio(ratios), ratio_spread(ratios)
    assert all(1 / spread - 1e-9 <= ratio / bias <= spread * (1 + 1e-9) for ratio in ratios)


def test_without_measurements_there_is_no_bias():
    assert (median_ratio([]), ratio_spread([])) == (1.0, 1.0)


def test_a_correction_divides_the_predicted_time_of_every_kernel(zoo_trace):
    trace = zoo_trace("vgg11", 8, "eval")
    times = [
        time_s(trace, Conditions(DEVICE, find_precision("fp32"), each.coefficients, "nhwc"))
        for each in (KNOWN, corrected(KNOWN, [0.8, 0.8, 0.8]))
    ]
    assert times[1] == pytest.approx(times[0] / 0.8)


def test_ratios_that_agree_leave_the_interval_as_it_is():
    found = corrected(KNOWN, [0.8, 0.8, 0.8])
    assert found.factor == KNOWN.factor
    assert (found.evidence.corrections, found.evidence.measured_in) == (3, "")


def test_an_interval_reaches_the_ratio_that_is_farthest_from_the_median():
    # 0.4 / 0.8 is 2, more than the factor of the device.
    assert corrected(KNOWN, [0.4, 0.8, 0.9]).factor == pytest.approx(2)


def test_the_bias_of_other_runs_than_the_predicted_one_widens_the_interval():
    same, other = (corrected(KNOWN, [0.5], where) for where in ("", "eval, half precision, nhwc, eager"))
    assert other.coefficients == same.coefficients
    # Twice as slow is a factor of 2: the interval then reaches the prediction without the correction.
    assert other.factor == pytest.approx(joined(KNOWN.factor, 2))
    assert other.factor * 0.5 >= 1
