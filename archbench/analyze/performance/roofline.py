"""Predict the time of a run on a device: the roofline of each operator, one after the other.

time of an operator = max(FLOPs / (efficiency * peak), bytes / (0.9 * bandwidth)) + 2.5 µs launch

(Williams, Waterman, Patterson: Roofline, 2009.) Bytes are those of the operator's inputs and outputs, without cache
reuse; the peak is that of the multiplied dtype, for other arithmetic that of fp32. `efficiency` is the fraction of the
peak that products reach; it is fitted, not derived: see `archbench.analyze.performance.efficiency`.

Eager: each operator is one kernel, and on a GPU a convolution's bias is added by another. Tensor cores require channels
last, so in NCHW a convolution's input and result are copied.
Fused, as by torch.compile: an elementwise operator that takes the previous operator's result joins its kernel: no
launch, and the result is not read again. Convolutions and matrix products stay library kernels, which nothing joins.
Batch normalisation is elementwise in inference, the indices of max pooling are written only for a backward pass, and
the layout is changed once for the whole model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch

from archbench.hardware.device import Device
from archbench.precision import Precision
from archbench.trace.costs import find_rule
from archbench.trace.records import Operation, Trace

Layout = Literal["nchw", "nhwc"]
Bound = Literal["compute", "memory", "launch", "communication"]

MEMORY_EFFICIENCY = 0.9
LAUNCH_S = 2.5e-6

_DTYPES = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16", torch.float64: "fp64"}


@dataclass(frozen=True, slots=True)
class Conditions:
    """The device and settings of a prediction. `efficiency` is the fraction of the peak that products reach."""

    device: Device
    precision: Precision
    efficiency: float
    layout: Layout = "nchw"
    is_fused: bool = False


@dataclass(frozen=True, slots=True)
class Kernel:
    """One operator on the device: the time of its arithmetic alone, and of its memory traffic alone.

    `helper_s` is the time of further kernels around it that only move bytes: layout copies, the bias.
    """

    operation: Operation
    flops: int
    moved_bytes: int
    compute_s: float
    memory_s: float
    helper_s: float
    launch_s: float

    @property
    def time_s(self) -> float:
        """The predicted time."""
        return max(self.compute_s, self.memory_s) + self.helper_s + self.launch_s


def kernels(trace: Trace, conditions: Conditions) -> Iterator[Kernel]:
    """Yield the kernels of a run in order: forward, backward, update.

    Raises DeviceError if the device lacks a multiplied dtype.
    """
    previous: Operation | None = None
    for operation in (*trace.operations, *trace.update):
        if operation.is_free:
            continue
        is_joined = conditions.is_fused and _is_elementwise(operation, trace.mode) and _follows(operation, previous)
        moved = _bytes_joined(operation) if is_joined else _bytes_alone(operation, conditions, trace.mode)
        helpers = () if is_joined else tuple(_helpers(operation, conditions))
        bandwidth = MEMORY_EFFICIENCY * conditions.device.bandwidth_bytes_per_s
        yield Kernel(
            operation=operation,
            flops=operation.flops,
            moved_bytes=moved + sum(helpers),
            compute_s=operation.flops / (conditions.efficiency * _peak(operation, conditions)),
            memory_s=moved / bandwidth,
            helper_s=sum(helpers) / bandwidth,
            launch_s=0.0 if is_joined else (1 + len(helpers)) * LAUNCH_S,
        )
        previous = operation


def time_s(trace: Trace, conditions: Conditions) -> float:
    """Return the predicted time of the whole run."""
    return sum(kernel.time_s for kernel in kernels(trace, conditions))


def _peak(operation: Operation, conditions: Conditions) -> float:
    if not operation.macs:
        return conditions.device.peak("fp32")
    dtype = _DTYPES.get(operation.inputs[0].dtype, "fp32")
    return conditions.device.peak("tf32" if dtype == "fp32" and conditions.precision.tf32 else dtype)


def _bytes_joined(operation: Operation) -> int:
    """Return the traffic of a joined operator: its first input stays in registers, its output replaces that write."""
    return sum(info.size_bytes for info in operation.inputs[1:])


def _bytes_alone(operation: Operation, conditions: Conditions, mode: str) -> int:
    moved = operation.read_bytes + operation.written_bytes
    makes_indices = operation.name.startswith("aten.max_pool") and len(operation.outputs) > 1
    if conditions.is_fused and makes_indices and mode == "eval":
        return moved - operation.outputs[1].size_bytes
    return moved


def _helpers(operation: Operation, conditions: Conditions) -> Iterator[int]:
    """Yield the bytes moved by each kernel around a convolution: copies to and from channels last, the bias."""
    if not _is_convolution(operation) or conditions.is_fused or conditions.device.kind != "gpu":
        return
    if copies_to_channels_last(operation, conditions):
        yield from (2 * info.size_bytes for info in (operation.inputs[0], operation.outputs[0]))
    if not operation.is_backward and len(operation.inputs) > 2:
        yield 2 * operation.outputs[0].size_bytes


def copies_to_channels_last(operation: Operation, conditions: Conditions) -> bool:
    """Return whether the operator is a convolution whose tensors are copied to channels last for tensor cores."""
    if conditions.layout != "nchw" or conditions.is_fused or not _is_convolution(operation):
        return False
    return _peak(operation, conditions) > conditions.device.peak("fp32")


def _is_convolution(operation: Operation) -> bool:
    return operation.name.startswith("aten.convolution")


def _is_elementwise(operation: Operation, mode: str) -> bool:
    if operation.name == "aten.native_batch_norm":
        return mode == "eval"
    rule = find_rule(operation.name)
    return rule is not None and rule.is_elementwise


def _follows(operation: Operation, previous: Operation | None) -> bool:
    """Return whether an operator can join the previous one: by shape and dtype, it takes its result."""
    if previous is None or previous.macs or not previous.outputs or not operation.inputs:
        return False
    made, taken = previous.outputs[0], operation.inputs[0]
    return previous.is_backward == operation.is_backward and (made.shape, made.dtype) == (taken.shape, taken.dtype)
