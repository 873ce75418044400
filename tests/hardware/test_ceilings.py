from __future__ import annotations

import pytest
import torch

from archbench.hardware import ceilings


def test_a_ceiling_is_work_over_the_median_block(monkeypatch):
    # A clock by which every call takes 0.01 s, and one block ten times as long.
    now = {"ns": 0}
    calls = []

    def job():
        calls.append(None)
        now["ns"] += 10_000_000 if len(calls) != 30 else 100_000_000

    monkeypatch.setattr(ceilings.time, "perf_counter_ns", lambda: now["ns"])
    assert ceilings._time_s("cpu", job) == 0.01
    # One to warm up, one to see how long it takes, then seven blocks of 0.1 s.
    assert len(calls) == 2 + 7 * 10


# Size, channels, resolution and groups; MACs are 9 * 8 * 8 * 4 * 4 = 9,216 and 49 * 8 * 4 * 4 = 6,272.
DENSE = ceilings._Convolution(3, 8, 4, 1, {"cpu": (1, 4)})
DEPTHWISE = ceilings._Convolution(7, 8, 4, 8, {"cpu": (1, 4)})


@pytest.mark.parametrize(("kind", "macs"), [(DENSE, 9216), (DEPTHWISE, 6272)])
def test_a_convolution_s_rate_is_that_of_the_faster_layout(monkeypatch, kind, macs):
    # A clock by which a convolution takes 0.2 s, channels last 0.1 s, for whatever batch: none is doubled.
    now = {"ns": 0}
    flags = set()

    def conv2d(images, weights, padding, groups):
        assert (tuple(weights.shape), padding) == ((8, 8 // groups, kind.size, kind.size), kind.size // 2)
        is_last = images.is_contiguous(memory_format=torch.channels_last)
        now["ns"] += 100_000_000 if is_last else 200_000_000
        flags.add((torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark))

    monkeypatch.setattr(ceilings, "conv2d", conv2d)
    monkeypatch.setattr(ceilings.time, "perf_counter_ns", lambda: now["ns"])
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    # One image in 0.1 s, 2 FLOPs per MAC.
    assert ceilings._convolution_rate("cpu", "fp32", kind) == pytest.approx(2 * macs / 0.1)
    assert flags == {(False, True)}
    assert (torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark) == (True, False)


def test_a_size_is_doubled_until_a_call_takes_as_long_as_a_block(monkeypatch):
    # A clock by which size n takes n hundredths of a second: 16 is the first with 0.1 s.
    now = {"ns": 0}

    def make(size):
        def call():
            now["ns"] += size * 10_000_000

        return call

    monkeypatch.setattr(ceilings.time, "perf_counter_ns", lambda: now["ns"])
    assert ceilings._grown("cpu", (1, 1024), make)[0] == 16
    assert ceilings._grown("cpu", (1, 4), make)[0] == 4


def test_this_machine_is_measured(monkeypatch):
    monkeypatch.setattr(ceilings, "_COPY_BYTES", {"cpu": 2**20})
    monkeypatch.setattr(ceilings, "_PRODUCT_SIZES", {"cpu": (32, 64)})
    monkeypatch.setattr(ceilings, "_DENSE", DENSE)
    monkeypatch.setattr(ceilings, "_DEPTHWISE", DEPTHWISE)
    monkeypatch.setattr(ceilings, "_BLOCK_S", {"cpu": 0.001})
    monkeypatch.setattr(ceilings.torch.cuda, "is_available", lambda: False)
    before = ceilings.torch.get_num_threads()
    (device,) = ceilings.measure_devices(threads=1)
    assert (device.name, device.kind, device.is_measured) == ("this_cpu", "cpu", True)
    assert (device.title, device.threads) == (ceilings.title_here("cpu"), 1)
    assert ceilings.torch.get_num_threads() == before
    assert set(device.peak_flop_per_s) == {"fp32", "bf16", "fp16"}
    assert min(device.peak_flop_per_s.values()) > 0
    for rates in (device.convolution_flop_per_s, device.depthwise_flop_per_s):
        assert set(rates) == {"fp32", "bf16", "fp16"}
        assert min(rates.values()) > 0
    assert device.sources["depthwise_tflop_per_s"].startswith("7x7 convolution of 8 channels in 8 groups at 4x4, ")
    assert device.measured_rates == ()  # models are timed by what knows them
    assert device.bandwidth_bytes_per_s > 0
    assert device.memory_bytes > 2**28
