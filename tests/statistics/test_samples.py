from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from archbench.statistics.samples import (
    drift,
    grouped_median_interval,
    lag_1_correlation,
    median_interval,
    modified_z_scores,
    percentile,
    relative_deviation,
)


@pytest.mark.parametrize("count", [5, 6, 30, 101, 1000])
def test_the_interval_of_independent_samples_agrees_with_scipy(count):
    # Each other sample above the median: such series have no positive correlation.
    drawn = np.sort(np.random.default_rng(count).gamma(20.0, size=count))
    samples = [drawn[place // 2 if place % 2 else -1 - place // 2] for place in range(count)]
    theirs = stats.bootstrap(
        (samples,), np.median, n_resamples=20_000, method="percentile", batch=1000, rng=np.random.default_rng(1)
    ).confidence_interval
    ours = median_interval(samples)
    width = theirs.high - theirs.low
    # Both are drawn; a bound of 10,000 draws is sure to about 2% of the width, and jumps from sample to sample.
    assert ours.low == pytest.approx(theirs.low, abs=0.08 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.08 * width)
    assert ours.median == np.median(samples)


@pytest.mark.parametrize(("count", "samples"), [(1, [2.0]), (2, [1.0, 3.0]), (3, [1.0, 2.0, 4.0])])
def test_few_samples_have_an_interval_too(count, samples):
    interval = median_interval(samples)
    assert (interval.low, interval.median, interval.high) == (samples[0], np.median(samples), samples[-1])


def test_equal_samples_have_an_interval_without_width():
    interval = median_interval([0.25] * 40)
    assert (interval.median, interval.low, interval.high) == (0.25, 0.25, 0.25)
    assert interval.is_within(0.0)


def test_samples_that_resemble_the_one_before_widen_the_interval():
    samples = sorted(np.random.default_rng(0).normal(1, 0.1, size=50))
    mixed = [samples[19 * place % 50] for place in range(50)]
    assert lag_1_correlation(samples) > 0.9
    assert lag_1_correlation(mixed) < 0.1
    alike, plain = median_interval(samples), median_interval(mixed)
    assert alike.high - alike.low > 3 * (plain.high - plain.low)
    assert alike.median == plain.median
    assert samples[0] <= alike.low <= alike.high <= samples[-1]
    assert median_interval(samples) == median_interval(samples[::-1])


def test_the_correlation_is_that_of_ranks():
    # Ranks 1 3 2 4 less their mean 2.5: -1.5 0.5 -0.5 1.5. Products of neighbours -0.75 - 0.25 - 0.75, squares 5.
    assert lag_1_correlation([1.0, 30.0, 2.0, 400.0]) == pytest.approx(-1.75 / 5)
    assert lag_1_correlation([1.0] * 10) == 0.0
    assert lag_1_correlation([1.0, 2.0]) == 0.0


def test_processes_that_differ_widen_the_interval():
    random = np.random.default_rng(0)
    alike = [list(random.normal(1.0, 0.01, size=10)) for _ in range(5)]
    apart = [[sample * (1 + 0.03 * place) for sample in group] for place, group in enumerate(alike)]
    pooled = [sample for group in apart for sample in group]
    plain, grouped = grouped_median_interval(alike), grouped_median_interval(apart)
    assert grouped.high - grouped.low > 5 * (plain.high - plain.low)
    assert grouped_median_interval(alike[:1]) == median_interval(alike[0])
    # As scipy has it for the logarithms of the processes' medians.
    theirs = stats.ttest_1samp(np.log([np.median(group) for group in apart]), 0.0).confidence_interval(0.95)
    assert (grouped.low, grouped.high) == pytest.approx((np.exp(theirs.low), np.exp(theirs.high)))
    assert min(pooled) < grouped.low < grouped.median < grouped.high


@pytest.mark.parametrize(("percent", "least"), [(90, 64), (99, 662)])
def test_a_percentile_of_too_few_samples_is_none(percent, least):
    assert percentile([1.0] * (least - 1), percent) is None
    assert percentile([1.0] * least, percent) == 1.0
    # Three sigma that one of them lies beyond: one sample fewer is too few.
    assert 1 - (percent / 100) ** least > 0.9987 > 1 - (percent / 100) ** (least - 1)


def test_a_percentile_lies_between_samples():
    # 0 to 100: a hundred steps of one percent.
    assert percentile([float(value) for value in range(101)], 90) == pytest.approx(90.0)


def test_modified_z_scores_are_in_median_absolute_deviations():
    # 8 9 10 10 11 12 100 has median 10, distances 0 0 1 1 2 2 90, deviation 1.
    scores = modified_z_scores([8.0, 9.0, 10.0, 10.0, 11.0, 12.0, 100.0])
    assert scores.tolist() == [2.0, 1.0, 0.0, 0.0, 1.0, 2.0, 90.0]


def test_differences_below_the_clocks_resolution_are_not_outliers():
    scores = modified_z_scores([1.0] * 20 + [1.0 + 1e-6])
    assert scores.max() < 0.1
    assert modified_z_scores([1.0] * 20 + [2.0]).max() > 1000


def test_the_relative_deviation_is_that_of_a_sample():
    # Mean 2, variance ((1 + 0 + 1) / 2) = 1.
    assert relative_deviation([1.0, 2.0, 3.0]) == 0.5
    assert relative_deviation([1.0]) == 0.0


def test_noise_is_seldom_taken_for_drift():
    random = np.random.default_rng(0)
    found = [drift(random.normal(1, 0.02, size=count)) for count in (10, 20, 60, 200) for _ in range(100)]
    # 0.8% and less are expected: about 2 of 400.
    assert sum(change is not None for change in found) <= 8


def test_a_drift_has_its_size_and_direction():
    samples = [1.0] * 20 + [1.1] * 20
    assert drift(samples) == pytest.approx(0.1)
    assert drift(samples[::-1]) == pytest.approx(-1 / 11)
    assert drift([1.0] * 20 + [1.005] * 20) is None
    assert drift([1.0] * 4 + [2.0] * 4) is None
