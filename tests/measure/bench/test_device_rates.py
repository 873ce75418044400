from __future__ import annotations

from dataclasses import replace

import pytest

from archbench.hardware.catalogue import published_devices
from archbench.hardware.device import MeasuredRate
from archbench.measure.bench import device_rates
from archbench.measure.bench.ab_test import ServedArm
from archbench.measure.bench.device_rates import measure_rate, rate_configurations
from archbench.measure.worker.request import RunOptions

CPU = replace(published_devices()["cpu"], name="this_cpu", threads=2)
GPU = replace(published_devices()["h200"], name="this_cuda")


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until a test moves it."""
    now = {"s": 0.0}
    monkeypatch.setattr(device_rates.time, "perf_counter", lambda: now["s"])
    return now


@pytest.fixture
def blocks(monkeypatch, clock):
    """Return a function that makes blocks take these times per image, each moving the clock by `block_s`."""

    def use(samples_s, block_s):
        class Arm:
            def __init__(self, configuration, options, seed):
                self._samples_s = iter(samples_s)

            def __enter__(self):
                return self

            def __exit__(self, *error):
                pass

            def block_s(self):
                clock["s"] += block_s
                return next(self._samples_s)

        monkeypatch.setattr(device_rates, "ServedArm", Arm)

    return use


def test_a_rate_is_that_of_the_median_of_seven_blocks(blocks):
    # The median of 0.01 five times, 0.02 and 0.5 is 0.01.
    blocks([0.5, 0.01, 0.01, 0.02, 0.01, 0.01, 0.01], block_s=0.1)
    expected = MeasuredRate("torchvision:resnet18", "eval", "fp32", "nchw", 8, 100.0)
    assert measure_rate(rate_configurations(CPU)[0]) == expected


def test_on_a_slow_device_fewer_blocks_have_to_do(blocks):
    # The fourth block of 1 s would begin after the 3 s that a model has.
    blocks([0.5, 0.25, 0.125], block_s=1.0)
    assert measure_rate(rate_configurations(CPU)[0]).images_per_s == 4.0


@pytest.mark.parametrize(
    ("device", "kind", "dtype", "layout", "threads"),
    [(CPU, "cpu", "fp32", "nchw", 2), (GPU, "cuda", "amp-fp16", "nhwc", 0)],
)
def test_three_models_are_measured_eagerly_and_one_of_them_with_one_image(device, kind, dtype, layout, threads):
    chosen = rate_configurations(device)
    assert len({each.model for each in chosen}) == 3
    assert [each.model for each in chosen if each.batch == 1] == ["torchvision:resnet18"]
    assert {(each.kind, each.mode, each.compiled, each.dtype, each.layout, each.threads) for each in chosen} == {
        (kind, "eval", False, dtype, layout, threads)
    }


@pytest.mark.slow
def test_the_vit_whose_head_is_zero_until_trained_runs_on_this_cpu():
    (configuration,) = (each for each in rate_configurations(replace(CPU, threads=1)) if "vit" in each.model)
    with ServedArm(replace(configuration, batch=1), RunOptions(max_seconds=0.01), seed=0) as arm:
        assert arm.block_s() > 0
