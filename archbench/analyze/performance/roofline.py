"""Predict the time of a run on a device: that of its kernels, one after the other.

`kernels` and `fusion` say which kernels run, `kernel_table` how long each takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from archbench.analyze.performance.fusion import compiled_kernels
from archbench.analyze.performance.kernel_table import KernelTable, kernel_table, kernel_times
from archbench.analyze.performance.kernels import Kernel, Layout, eager_kernels
from archbench.analyze.performance.products import is_convolution, measured_kind
from archbench.hardware.device import Device
from archbench.precision import Precision
from archbench.trace.records import Operation, Trace

Bound = Literal["compute", "memory", "launch", "communication"]

_DTYPES = {
    torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16", torch.float64: "fp64", torch.int8: "int8",
    torch.uint8: "int8", torch.float8_e4m3fn: "fp8", torch.float8_e5m2: "fp8",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Conditions:
    """The device and settings of a prediction; for `coefficients` see `archbench.hardware.fit`.

    With `has_tf32_convolutions` 32-bit convolutions run in TensorFloat-32, as torch's default is, products in fp32.
    """

    device: Device
    precision: Precision
    coefficients: Mapping[str, float]
    layout: Layout = "nchw"
    is_compiled: bool = False
    has_tf32_convolutions: bool = False


@dataclass(frozen=True, slots=True)
class TimedKernel:
    """One kernel on the device: its traffic, the time of its arithmetic alone, of its traffic alone, and in all."""

    operation: Operation
    flops: int
    moved_bytes: int
    launches: int
    compute_s: float
    memory_s: float
    launch_s: float
    time_s: float


def timed_kernels(trace: Trace, conditions: Conditions) -> list[TimedKernel]:
    """Return the kernels of a run in order: forward, backward, update.

    Raises DeviceError if the device lacks a multiplied dtype.
    """
    run = _kernels(trace, conditions)
    times = kernel_times(_table(run, conditions), conditions.coefficients, conditions.device.bandwidth_bytes_per_s)
    columns = (times.compute_s, times.memory_s, times.launch_s, times.total_s)
    seconds = zip(*(column.tolist() for column in columns), strict=True)
    return [
        TimedKernel(kernel.operation, _flops(kernel), kernel.moved_bytes, kernel.launches, *entry)
        for kernel, entry in zip(run, seconds, strict=True)
    ]


def time_s(trace: Trace, conditions: Conditions) -> float:
    """Return the predicted time of the whole run. Raises DeviceError if the device lacks a multiplied dtype."""
    table = _table(_kernels(trace, conditions), conditions)
    times = kernel_times(table, conditions.coefficients, conditions.device.bandwidth_bytes_per_s)
    return float(sum(times.total_s.tolist()))


def _flops(kernel: Kernel) -> int:
    return kernel.operation.flops if kernel.is_main else 0


def _kernels(trace: Trace, conditions: Conditions) -> list[Kernel]:
    is_gpu = conditions.device.kind == "gpu"
    if conditions.is_compiled:
        return list(compiled_kernels(trace, is_gpu=is_gpu))
    return list(eager_kernels(trace, conditions.layout, is_gpu=is_gpu))


def _table(run: list[Kernel], conditions: Conditions) -> KernelTable:
    return kernel_table(run, lambda kernel: _peak(kernel, conditions))


def _peak(kernel: Kernel, conditions: Conditions) -> float:
    """Return the peak in FLOP/s of a kernel's product; that of a convolution where the device's was measured.

    The coefficient `tensor_cores` is the part of the published peak that power allows, 1 without it.
    """
    assert kernel.product is not None, "only products have a peak"
    device, dtype = conditions.device, _DTYPES.get(kernel.product.dtype, "fp32")
    is_tf32 = conditions.precision.tf32 or (conditions.has_tf32_convolutions and is_convolution(kernel.operation))
    dtype = "tf32" if dtype == "fp32" and is_tf32 else dtype
    measured = {"convolution": device.convolution_flop_per_s, "depthwise": device.depthwise_flop_per_s}
    peak = measured.get(measured_kind(kernel.product.kind), {}).get(dtype) or device.peak(dtype)
    return peak if dtype in ("fp32", "fp64") else peak * conditions.coefficients.get("tensor_cores", 1.0)
