from __future__ import annotations

import pytest

from archbench.analyze.performance.bias import measured_bias


def test_the_bias_is_the_median_ratio_of_measured_to_predicted():
    # Ratios 0.5, 1.25 and 8.
    assert measured_bias([(80, 10), (50, 100), (125, 100)]) == pytest.approx(1.25)


def test_two_middle_ratios_are_averaged_geometrically():
    # Twice as fast and half as fast cancel out; the arithmetic mean would be 1.25.
    assert measured_bias([(200, 100), (50, 100)]) == pytest.approx(1.0)


def test_predictions_multiplied_by_their_bias_have_none():
    pairs = [(30.0, 41.0), (55.0, 60.0), (700.0, 680.0), (9.0, 13.0)]
    bias = measured_bias(pairs)
    assert measured_bias([(measured, predicted * bias) for measured, predicted in pairs]) == pytest.approx(1.0)


def test_without_measurements_there_is_no_bias():
    assert measured_bias([]) == 1.0
