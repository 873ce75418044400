from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archbench.statistics.multiple_tests import holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def test_the_smallest_p_value_is_multiplied_by_all_and_the_next_by_one_less():
    # 3 * 0.01, 2 * 0.02, 1 * 0.03: all below 5%, and none below the one before.
    found = holm([0.02, 0.01, 0.03])
    assert [each.p_value for each in found] == pytest.approx([0.04, 0.03, 0.04])
    assert [each.confidence for each in found] == pytest.approx([1 - 0.05 / 2, 1 - 0.05 / 3, 0.95])


def test_after_the_first_that_is_not_significant_none_is():
    # 3 * 0.03 = 0.09 is not significant, so 0.031 and 0.032 are not, though 0.032 alone is below 5%.
    found = holm([0.03, 0.031, 0.032])
    assert [each.p_value for each in found] == pytest.approx([0.09, 0.09, 0.09])
    assert [each.confidence for each in found] == pytest.approx([1 - 0.05 / 3] * 3)


def test_a_single_test_is_not_corrected():
    (found,) = holm([0.04])
    assert (found.p_value, found.confidence) == pytest.approx((0.04, 0.95))


@given(P_VALUES)
def test_holm_rejects_what_bonferroni_does_and_nothing_that_is_not_significant_alone(p_values):
    for raw, found in zip(p_values, holm(p_values), strict=True):
        assert raw <= found.p_value <= min(1.0, len(p_values) * raw)


@given(P_VALUES)
def test_the_confidence_agrees_with_the_corrected_p_value(p_values):
    for raw, found in zip(p_values, holm(p_values), strict=True):
        # An interval of confidence c excludes 0 where the p-value is below 1 - c; at equality rounding decides.
        if abs(raw - (1 - found.confidence)) > 1e-12 and abs(found.p_value - 0.05) > 1e-12:
            assert (raw < 1 - found.confidence) == (found.p_value < 0.05)
