from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from archbench.analyze.layers import layer_table
from archbench.analyze.performance.estimate import rate, roofline_rows
from archbench.analyze.performance.fusion import compiled_kernels
from archbench.analyze.performance.rate_basis import RateBasis, given_basis
from archbench.analyze.performance.rate_evidence import Evidence
from archbench.analyze.performance.roofline import Conditions, time_s, timed_kernels
from archbench.errors import DeviceError
from archbench.hardware.device import Device
from archbench.hardware.find import find_device
from archbench.hardware.fit.coefficients import plain_coefficients
from archbench.precision import PRECISIONS
from archbench.trace.tracer import trace

# 1 TFLOP/s and 1 TB/s, of which 0.9 are reached, make the arithmetic easy.
DEVICE = Device("toy", "", 2026, 2**30, 1e12, {"fp32": 1e12, "bf16": 8e12, "fp16": 8e12})
EAGER = Conditions(DEVICE, PRECISIONS["fp32"], plain_coefficients(0.5), "nhwc")
COMPILED = replace(EAGER, is_compiled=True)
LAUNCH_S = 2.5e-6


def traced(model, *shape, mode="eval", dtype=torch.float32):
    return trace(model.to(dtype), torch.empty(shape, dtype=dtype), mode=mode)


def test_a_product_takes_the_longer_of_arithmetic_and_memory():
    record = traced(nn.Linear(1000, 1000), 1, 1000)
    (kernel,) = timed_kernels(record, EAGER)
    # 2 * 10^6 FLOPs and 1,000 bias adds at half of 1 TFLOP/s; 10^6 weights, bias, input and output of 4 bytes.
    assert kernel.compute_s == pytest.approx(2_001_000 / 0.5e12)
    assert kernel.memory_s == pytest.approx(4 * 1_003_000 / 0.9e12)
    assert kernel.time_s == pytest.approx(max(kernel.compute_s, kernel.memory_s) + LAUNCH_S, rel=1e-4)
    (large,) = timed_kernels(traced(nn.Linear(1000, 1000), 1000, 1000), EAGER)
    assert large.time_s == pytest.approx(2_001_000_000 / 0.5e12 + LAUNCH_S)


def test_the_peak_is_that_of_the_dtype_multiplied():
    half = traced(nn.Linear(1000, 1000), 1000, 1000, dtype=torch.bfloat16)
    (kernel,) = timed_kernels(half, replace(EAGER, precision=PRECISIONS["bf16"]))
    assert kernel.compute_s == pytest.approx(2_001_000_000 / (0.5 * 8e12))
    full = traced(nn.Linear(10, 10), 1, 10)
    with pytest.raises(DeviceError, match="no tf32 rate is known for toy"):
        list(timed_kernels(full, replace(EAGER, precision=PRECISIONS["tf32"])))


def test_compiled_operators_between_products_are_one_kernel():
    # Linear, then a chain of three: eager four kernels, compiled two. The second reads the product's result; nothing
    # reads what the chain returns, so its write is that of the model's output, which is not counted.
    model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Sigmoid(), nn.ReLU(), nn.Linear(8, 8))
    record = traced(model, 4, 8)
    eager, compiled = timed_kernels(record, EAGER), timed_kernels(record, COMPILED)
    assert [k.launches for k in eager] == [1] * 5
    assert [k.launches for k in compiled] == [1, 1, 0, 0, 1]
    assert [k.moved_bytes for k in eager[1:4]] == [2 * 4 * 32] * 3
    assert [k.moved_bytes for k in compiled[1:4]] == [4 * 32, 0, 4 * 32]


def test_compiled_a_tensor_that_a_group_reads_twice_is_read_once():
    class Residual(nn.Module):
        def forward(self, x):
            return x.tanh() + x

    tanh, addition = timed_kernels(traced(Residual(), 4, 8), COMPILED)
    assert (tanh.moved_bytes, addition.moved_bytes) == (4 * 32, 0)


def test_compiled_the_normalisation_of_one_branch_is_part_of_the_addition_after_the_other():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.last = (nn.Conv2d(4, 4, 1, bias=False) for _ in range(3))
            self.norm = nn.BatchNorm2d(4)

        def forward(self, x):
            return self.last((self.norm(self.first(x)) + self.second(x)).relu())

    record = traced(Block().eval(), 2, 4, 8, 8)
    run = [(k.operation.name.split(".")[1], k.launches) for k in timed_kernels(record, COMPILED)]
    products = [("convolution", 1)] * 2
    assert run == [*products, ("native_batch_norm", 1), ("add", 0), ("relu", 0), ("convolution", 1)]
    # Both branches are read once, and the sum is written once; with the normalisation's four vectors.
    size = 4 * 2 * 4 * 8 * 8
    assert sum(k.moved_bytes for k in timed_kernels(record, COMPILED)[2:5]) == 3 * size + 4 * 4 * 4


def test_compiled_a_result_that_the_next_product_reads_is_not_deferred():
    class Gate(nn.Module):
        def __init__(self):
            super().__init__()
            self.gate = nn.Linear(8, 8)

        def forward(self, x):
            x = x.tanh()
            return self.gate(x.mean(0, keepdim=True)).sigmoid() * x

    names = [k.operation.name.split(".")[1] for k in timed_kernels(traced(Gate(), 4, 8), COMPILED)]
    assert names == ["tanh", "mean", "addmm", "sigmoid", "mul"]


class Channels(nn.Module):
    """Layer normalisation of the channels of maps."""

    def forward(self, x):
        return nn.functional.layer_norm(x.movedim(1, -1), x.shape[1:2]).movedim(-1, 1)


class Standardised(nn.Conv2d):
    """A convolution with standardised weights."""

    def forward(self, x):
        rows = self.weight.reshape(1, len(self.weight), -1)
        weight = nn.functional.batch_norm(rows, None, None, training=True).reshape_as(self.weight)
        return nn.functional.conv2d(x, weight)


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (nn.GroupNorm(2, 4), "group_norm"),
        (Channels(), "group_norm"),
        (Standardised(4, 4, 1), "group_norm"),
        (nn.BatchNorm2d(4).eval(), "pointwise"),
        (nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.SiLU()), "reduction"),
    ],
)
def test_compiled_normalisations_of_distant_elements_are_a_kind_of_their_own(model, kind):
    record = traced(nn.Sequential(model, nn.Conv2d(4, 4, 1, bias=False)), 2, 4, 8, 8)
    assert next(compiled_kernels(record, is_gpu=True)).memory == kind


def test_on_a_gpu_a_convolution_has_kernels_around_it():
    record = traced(nn.Conv2d(2, 4, 3, padding=1), 1, 2, 8, 8, dtype=torch.bfloat16)
    nhwc = replace(EAGER, precision=PRECISIONS["bf16"])
    taken, weights, given = 2 * 2 * 64, 2 * (72 + 4), 2 * 4 * 64

    def moved(conditions):
        run = timed_kernels(record, conditions)
        return sum(kernel.moved_bytes for kernel in run), sum(kernel.launches for kernel in run)

    alone = taken + weights + given
    assert moved(nhwc) == (alone + 2 * given, 2)  # the bias
    assert moved(replace(nhwc, layout="nchw")) == (alone + 2 * taken + 2 * given + 2 * given, 4)  # copies too
    assert moved(replace(nhwc, layout="nchw", is_compiled=True)) == (alone, 1)
    # A CPU's library has the weights in an order of its own: it reads, writes and reads them.
    assert moved(replace(nhwc, device=replace(DEVICE, kind="cpu"))) == (alone + 2 * weights, 1)


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_rows_sum_to_the_whole(zoo_trace, mode):
    record = zoo_trace("alexnet", 8, mode)
    conditions = Conditions(find_device("a100"), PRECISIONS["fp32"], plain_coefficients(0.8))
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
    conditions = Conditions(find_device("rtx4090"), PRECISIONS["fp32"], plain_coefficients(1.0))
    bound = {row.name: row.bound for row in roofline_rows(record, conditions)}
    assert (bound["conv1_1"], bound["relu1_1"], bound["pool1"]) == ("memory", "memory", "memory")
    assert (bound["conv5_1"], bound["conv3_2"]) == ("compute", "compute")


def test_a_small_network_is_bound_by_launches(zoo_trace):
    conditions = Conditions(find_device("h100"), PRECISIONS["fp32"], plain_coefficients(0.8))
    assert rate(zoo_trace("lenet", 1, "eval"), conditions, given_basis(0.8)).bound == "launch"


def test_the_interval_reaches_as_far_as_the_factor(zoo_trace):
    device = find_device("h200")
    conditions = Conditions(device, PRECISIONS["fp32"], plain_coefficients(0.8))
    found = rate(
        zoo_trace("vgg11", 8, "eval"), conditions, RateBasis(conditions.coefficients, 1.5, Evidence("other devices"))
    )
    assert found.images_per_s_high == pytest.approx(found.images_per_s * 1.5)
    assert found.images_per_s_low == pytest.approx(found.images_per_s / 1.5)
    assert found.utilisation == pytest.approx(found.flop_per_s / 67e12)


def test_the_low_end_of_a_small_batch_allows_for_python(zoo_trace):
    conditions = Conditions(find_device("h200"), PRECISIONS["fp32"], plain_coefficients(0.8))
    record = zoo_trace("lenet", 1, "eval")
    launches = sum(kernel.launches for kernel in timed_kernels(record, conditions))
    found = rate(record, conditions, RateBasis(conditions.coefficients, 1.2, Evidence("other devices")))
    assert found.images_per_s_low == pytest.approx(1 / (10e-6 * launches))


def test_a_plain_roofline_has_no_interval(zoo_trace):
    conditions = Conditions(find_device("h200"), PRECISIONS["fp32"], plain_coefficients(0.8))
    found = rate(zoo_trace("vgg11", 8, "eval"), conditions, given_basis(0.8))
    assert (found.images_per_s_low, found.images_per_s_high) == (None, None)
