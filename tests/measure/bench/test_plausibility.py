from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from archbench.measure.bench.plausibility import implausible, surprising, winograd_gain
from archbench.store.records import Configuration, Result
from tests.helpers.measurements import expectation

CONFIGURATION = Configuration("vgg16", "3x224x224", "cuda", "some GPU", "eval", 100, "bf16", "nhwc", False, False, 1)
# 31 GFLOPs an image.
RESULT = Result(
    run_id="1",
    started_at="2026-01-01T00:00:00+00:00",
    machine="here",
    configuration=CONFIGURATION,
    status="ok",
    images_per_s=1000.0,
    images_per_s_low=990.0,
    images_per_s_high=1010.0,
    flop_per_s=31e12,
    samples_s=(0.1, 0.1, 0.1),
)


def of_model(name: str, images_per_s: float, gflops: float, **changes: Any) -> Result:
    return replace(
        RESULT,
        configuration=replace(CONFIGURATION, model=name),
        images_per_s=images_per_s,
        images_per_s_low=0.99 * images_per_s,
        images_per_s_high=1.01 * images_per_s,
        flop_per_s=gflops * 1e9 * images_per_s,
        **changes,
    )


def test_a_plausible_result_has_no_flags():
    expected = expectation(published_flop_per_s=100e12, published_bytes_per_s=1e12, least_bytes=2**28)
    assert implausible(RESULT, expected) == ()
    assert surprising(RESULT, expected) == ()


def test_unknown_figures_are_not_judged():
    bare = replace(
        RESULT, images_per_s=None, images_per_s_low=None, images_per_s_high=None, flop_per_s=None, samples_s=()
    )
    assert implausible(bare, expectation(), siblings=(RESULT,)) == ()
    assert implausible(RESULT, expectation(), siblings=(bare,)) == ()
    assert surprising(bare, expectation(published_flop_per_s=1.0)) == ()


def test_more_than_the_peak_is_implausible():
    # 31 TFLOP/s where 20 are the most.
    assert implausible(RESULT, expectation(published_flop_per_s=20e12)) == (
        "peak: 1.55 times what the hardware can do",
    )


def test_winograd_may_exceed_the_peak_with_a_flag():
    expected = expectation(published_flop_per_s=20e12, winograd_share=1.0)
    assert winograd_gain(1.0) == pytest.approx(2.25)
    assert implausible(RESULT, expected) == ()
    (remark,) = surprising(RESULT, expected)
    assert remark.startswith("peak: 1.55 times the hardware's")
    assert "Winograd" in remark


def test_winograd_is_allowed_for_as_far_as_it_can_be_used():
    # Half of the FLOPs at 2.25 times the rate take 1/2 + 1/4.5 of the time: 1.385 times the rate.
    expected = expectation(published_flop_per_s=20e12, winograd_share=0.5)
    assert winograd_gain(0.5) == pytest.approx(1 / (0.5 + 0.5 / 2.25))
    (flag,) = implausible(RESULT, expected)
    assert flag == "peak: 1.12 times what the hardware can do, Winograd's algorithm allowed for"
    assert surprising(RESULT, expected) == ()


def test_more_than_the_measured_peak_is_only_a_flag():
    # 31 TFLOP/s where 25 were measured, and 40 are published or nothing is.
    for expected in (
        expectation(peak_flop_per_s=25e12),
        expectation(published_flop_per_s=40e12, peak_flop_per_s=25e12),
    ):
        assert implausible(RESULT, expected) == ()
        assert surprising(RESULT, expected) == (
            "peak: 1.24 times what was measured of this machine; 'archbench devices --measure' measures it again",
        )
    (remark,) = surprising(RESULT, expectation(peak_flop_per_s=25e12, winograd_share=1.0))
    assert remark == (
        "peak: 1.24 times what was measured of this machine, as 3x3 convolutions by Winograd's algorithm can reach"
    )
    assert surprising(RESULT, expectation(peak_flop_per_s=32e12)) == ()


def test_more_than_the_bandwidth_is_implausible_unless_a_cache_may_hold_it():
    # Ten steps a second of a gigabyte are 10 GB/s.
    (flag,) = implausible(RESULT, expectation(published_bytes_per_s=5e9, least_bytes=10**9))
    assert flag == "bandwidth: 2.00 times what the memory can do"
    assert implausible(RESULT, expectation(published_bytes_per_s=1.0, least_bytes=2**20)) == ()


def test_more_than_the_measured_bandwidth_is_only_a_flag():
    # 10 GB/s as above, where 5 were measured and 20 are published.
    expected = expectation(bandwidth_bytes_per_s=5e9, published_bytes_per_s=20e9, least_bytes=10**9)
    assert implausible(RESULT, expected) == ()
    assert surprising(RESULT, expected) == (
        "bandwidth: 2.00 times what was measured of this machine; 'archbench devices --measure' measures it again",
    )


@pytest.mark.parametrize("changes", [{"samples_s": (0.1, 0.0)}, {"latencies_s": (0.1, -0.1)}])
def test_a_step_that_took_no_time_is_implausible(changes):
    assert implausible(replace(RESULT, **changes), expectation()) == ("clock: a step took no time",)


def test_a_mean_above_the_99th_percentile_is_implausible():
    latencies = (0.1,) * 700 + (100.0,)
    result = replace(RESULT, latencies_s=latencies, latency_s_p99=0.1)
    assert implausible(result, expectation()) == ("latency: the mean is above the 99th percentile",)
    assert implausible(replace(result, latency_s_p99=None), expectation()) == ()


def test_a_bigger_sibling_is_not_faster():
    smaller = of_model("vgg11", images_per_s=900.0, gflops=15)
    bigger = of_model("vgg19", images_per_s=1100.0, gflops=39)
    assert implausible(RESULT, expectation(), siblings=(smaller, bigger)) == (
        "order: faster than vgg11, which is smaller",
        "order: slower than vgg19, which is bigger",
    )


def test_an_order_within_the_intervals_is_plausible():
    assert implausible(RESULT, expectation(), siblings=(of_model("vgg11", images_per_s=985.0, gflops=15),)) == ()


def test_siblings_of_the_same_size_come_in_any_order():
    assert implausible(RESULT, expectation(), siblings=(of_model("vgg16_bn", images_per_s=700.0, gflops=30),)) == ()


@pytest.mark.parametrize("changes", [{"status": "failed"}, {"machine": "elsewhere"}])
def test_siblings_that_cannot_be_compared_are_ignored(changes):
    sibling = of_model("vgg11", images_per_s=500.0, gflops=15, **changes)
    assert implausible(RESULT, expectation(), siblings=(sibling,)) == ()
    other = of_model("vgg11", images_per_s=500.0, gflops=15)
    other = replace(other, configuration=replace(other.configuration, dtype="fp32"))
    assert implausible(RESULT, expectation(), siblings=(other,)) == ()
