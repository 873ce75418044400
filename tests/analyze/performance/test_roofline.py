from __future__ import annotations

import statistics
from dataclasses import replace

import pytest
import torch
from torch import nn

from archbench.analyze.layers import layer_table
from archbench.analyze.performance.efficiency import fit_efficiency, published_rates, stated_efficiency
from archbench.analyze.performance.estimate import rate, roofline_rows
from archbench.analyze.performance.roofline import Conditions, kernels, time_s
from archbench.errors import DeviceError
from archbench.hardware.device import Device
from archbench.hardware.find import find_device
from archbench.precision import PRECISIONS
from archbench.trace.tracer import trace
from results.fit_efficiency import FITTED_ON, TARGET, fits

# 1 TFLOP/s and 1 TB/s, of which 0.9 are reached, make the arithmetic easy.
DEVICE = Device("toy", "", 2026, 2**30, 1e12, {"fp32": 1e12, "bf16": 8e12, "fp16": 8e12})
EAGER = Conditions(DEVICE, PRECISIONS["fp32"], 0.5, "nhwc")
FUSED = replace(EAGER, is_fused=True)
LAUNCH_S = 2.5e-6


def traced(model, *shape, mode="eval", dtype=torch.float32):
    return trace(model.to(dtype), torch.empty(shape, dtype=dtype), mode=mode)


def test_a_product_takes_the_longer_of_arithmetic_and_memory():
    record = traced(nn.Linear(1000, 1000), 1, 1000)
    (kernel,) = kernels(record, EAGER)
    # 2 * 10^6 FLOPs and 1,000 bias adds at half of 1 TFLOP/s; 10^6 weights, bias, input and output of 4 bytes.
    assert kernel.compute_s == pytest.approx(2_001_000 / 0.5e12)
    assert kernel.memory_s == pytest.approx(4 * 1_003_000 / 0.9e12)
    assert kernel.time_s == pytest.approx(max(kernel.compute_s, kernel.memory_s) + LAUNCH_S)
    (large,) = kernels(traced(nn.Linear(1000, 1000), 1000, 1000), EAGER)
    assert large.time_s == pytest.approx(2_001_000_000 / 0.5e12 + LAUNCH_S)


def test_the_peak_is_that_of_the_dtype_multiplied():
    half = traced(nn.Linear(1000, 1000), 1000, 1000, dtype=torch.bfloat16)
    (kernel,) = kernels(half, replace(EAGER, precision=PRECISIONS["bf16"]))
    assert kernel.compute_s == pytest.approx(2_001_000_000 / (0.5 * 8e12))
    full = traced(nn.Linear(10, 10), 1, 10)
    with pytest.raises(DeviceError, match="no tf32 rate is known for toy"):
        list(kernels(full, replace(EAGER, precision=PRECISIONS["tf32"])))


def test_fused_elementwise_operators_join_the_one_before_but_no_product():
    # Linear, then a chain of three: eager four kernels, fused two; the first of the chain reads the product's result.
    model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Sigmoid(), nn.ReLU())
    record = traced(model, 4, 8)
    eager, fused = list(kernels(record, EAGER)), list(kernels(record, FUSED))
    assert [k.launch_s > 0 for k in eager] == [True] * 4
    assert [k.launch_s > 0 for k in fused] == [True, True, False, False]
    assert [k.moved_bytes for k in eager[1:]] == [2 * 4 * 32] * 3
    assert [k.moved_bytes for k in fused[1:]] == [2 * 4 * 32, 0, 0]


def test_a_residual_is_still_read_when_its_addition_is_fused():
    class Residual(nn.Module):
        def forward(self, x):
            return x.tanh() + x

    *_, addition = kernels(traced(Residual(), 4, 8), FUSED)
    assert addition.moved_bytes == 4 * 32


def test_on_a_gpu_a_convolution_has_kernels_around_it():
    record = traced(nn.Conv2d(2, 4, 3, padding=1), 1, 2, 8, 8, dtype=torch.bfloat16)
    nhwc = replace(EAGER, precision=PRECISIONS["bf16"])
    taken, weights, given = 2 * 2 * 64, 2 * (72 + 4), 2 * 4 * 64

    def moved(conditions):
        (kernel,) = kernels(record, conditions)
        return kernel.moved_bytes, round(kernel.launch_s / LAUNCH_S)

    alone = taken + weights + given
    assert moved(nhwc) == (alone + 2 * given, 2)  # the bias
    assert moved(replace(nhwc, layout="nchw")) == (alone + 2 * taken + 2 * given + 2 * given, 4)  # copies too
    assert moved(replace(nhwc, layout="nchw", is_fused=True)) == (alone, 1)
    assert moved(replace(nhwc, device=replace(DEVICE, kind="cpu"))) == (alone, 1)


def test_indices_of_pooling_are_made_for_backward_only_when_fused():
    model = nn.MaxPool2d(2)
    (eager,), (fused,) = (list(kernels(traced(model, 1, 1, 8, 8), how)) for how in (EAGER, FUSED))
    assert eager.moved_bytes - fused.moved_bytes == 8 * 16


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_rows_sum_to_the_whole(zoo_trace, mode):
    record = zoo_trace("alexnet", 8, mode)
    conditions = Conditions(find_device("a100"), PRECISIONS["fp32"], 0.8)
    rows = roofline_rows(record, conditions)
    assert sum(row.time_s for row in rows) == pytest.approx(time_s(record, conditions))
    assert sum(row.share for row in rows) == pytest.approx(1)
    table = layer_table(record).rows
    assert [row.name for row in rows] == [row.name for row in table] + (["update"] if mode == "train" else [])
    backward = sum(row.backward_flops or 0 for row in table)
    update = sum(operation.flops for operation in record.update)
    assert sum(row.flops for row in rows) == sum(row.flops for row in table) + backward + update


def test_the_first_layers_wait_for_memory_and_the_last_convolutions_for_arithmetic(zoo_trace):
    record = zoo_trace("vgg16", 64, "eval")
    conditions = Conditions(find_device("rtx4090"), PRECISIONS["fp32"], 1.0)
    bound = {row.name: row.bound for row in roofline_rows(record, conditions)}
    assert (bound["conv1_1"], bound["relu1_1"], bound["pool1"]) == ("memory", "memory", "memory")
    assert (bound["conv5_1"], bound["conv3_2"]) == ("compute", "compute")


def test_a_small_network_is_bound_by_launches(zoo_trace):
    conditions = Conditions(find_device("h100"), PRECISIONS["fp32"], 0.8)
    assert rate(zoo_trace("lenet", 1, "eval"), conditions, stated_efficiency(DEVICE, is_fused=False)).bound == "launch"


def test_the_fit_makes_its_own_row_exact():
    record = traced(nn.Linear(1000, 1000), 1000, 1000)
    efficiency = fit_efficiency(record, EAGER, images_per_s=200_000)
    assert record.batch / time_s(record, replace(EAGER, efficiency=efficiency)) == pytest.approx(200_000)
    with pytest.raises(ValueError, match="no efficiency"):
        fit_efficiency(record, EAGER, images_per_s=1e12)


@pytest.fixture(scope="module")
def found_fits():
    return fits()


@pytest.mark.slow
def test_held_out_models_are_predicted_within_ten_percent_and_five_in_the_median(found_fits):
    # The published rows of timm, read from a file that names their source; the fit has seen VGG-16 alone.
    assert all(row.source.startswith("timm results") for row in published_rates())
    vgg = [error for _, held_out in found_fits for model, error in held_out.items() if model.startswith("vgg")]
    assert FITTED_ON not in {model for _, held_out in found_fits for model in held_out}
    assert len(vgg) == 11
    assert max(map(abs, vgg)) < 0.10
    assert statistics.median(map(abs, vgg)) < 0.05


@pytest.mark.slow
def test_the_committed_fits_are_what_the_script_finds(found_fits):
    lines = TARGET.read_text().splitlines()[1:]
    for line, (fit, _) in zip(lines, found_fits, strict=True):
        *_, efficiency, error = line.split(",")
        assert line.startswith(f"{fit.source},{fit.device},{fit.is_fused},{fit.fitted_on},")
        assert float(efficiency) == pytest.approx(fit.efficiency, rel=1e-3)
        assert float(error) == pytest.approx(fit.worst_error, abs=1e-3)


def test_the_efficiency_is_the_devices_own_fit_where_there_is_one():
    own = stated_efficiency(find_device("rtx4090"), is_fused=True)
    assert own.low == own.value == own.high
    assert own.basis == "fitted on published rates of vgg16"
    other = stated_efficiency(find_device("h200"), is_fused=True)
    assert other.low < other.value < other.high == 1.0
    assert stated_efficiency(replace(DEVICE, is_measured=True), is_fused=False).value == 1.0


def test_the_band_contains_the_rate_and_reaches_as_far_as_the_efficiencys(zoo_trace):
    device = find_device("h200")
    efficiency = stated_efficiency(device, is_fused=False)
    conditions = Conditions(device, PRECISIONS["fp32"], efficiency.value)
    record = zoo_trace("vgg11", 8, "eval")
    found = rate(record, conditions, efficiency)
    assert found.images_per_s_low < found.images_per_s < found.images_per_s_high
    slowest = record.batch / time_s(record, replace(conditions, efficiency=efficiency.low))
    assert found.images_per_s_low == pytest.approx(slowest * (1 - efficiency.error))
    assert found.utilisation == pytest.approx(found.flop_per_s / 67e12)
