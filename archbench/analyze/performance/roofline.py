"""How fast a run can be on a device: each operator by the roofline, one after the other.

time of an operator = max(FLOPs / (efficiency * peak), bytes / (0.9 * bandwidth)) + 2.5 µs launch

(Williams, Waterman, Patterson: Roofline, 2009.) Bytes are those of its inputs and outputs, as if nothing stayed in a
cache; the peak is that of the dtype that it multiplies, for all other arithmetic that of fp32. `efficiency` is the part
of the peak that real products reach; it is fitted, not derived: see `archbench.analyze.performance.efficiency`.

Run eagerly, each operator is a kernel, and on a GPU the bias of a convolution is added by one more. Fused, as by
torch.compile, an elementwise operator that takes the result of the operator before it is part of that one: no launch,
and that result is not read again. Only convolutions and matrix products stay kernels of a library, which joins nothing
to them. Batch normalisation is elementwise in inference, and the indices of max pooling are made only where the
backward pass needs them. Tensor cores multiply with channels last: run eagerly in NCHW, the input and result of a
convolution are copied; a compiler changes the layout once for all.
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
    """On what and how a run is predicted. `efficiency` is the part of the peak that products reach."""

    device: Device
    precision: Precision
    efficiency: float
    layout: Layout = "nchw"
    is_fused: bool = False


@dataclass(frozen=True, slots=True)
class Kernel:
    """One operator on the device: when arithmetic, when memory would be done, if each were all there is.

    `helper_s` is what the library does before and after it in kernels of their own, which only move bytes.
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
        """The time that it takes at least."""
        return max(self.compute_s, self.memory_s) + self.helper_s + self.launch_s


def kernels(trace: Trace, conditions: Conditions) -> Iterator[Kernel]:
    """Yield what runs on the device, in order: forward, backward, update.

    Raises DeviceError if the device lacks a dtype that is multiplied.
    """
    before: Operation | None = None
    for operation in (*trace.operations, *trace.update):
        if operation.is_free:
            continue
        is_joined = conditions.is_fused and _is_elementwise(operation, trace.mode) and _follows(operation, before)
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
        before = operation


def time_s(trace: Trace, conditions: Conditions) -> float:
    """Return the time of the whole run."""
    return sum(kernel.time_s for kernel in kernels(trace, conditions))


def _peak(operation: Operation, conditions: Conditions) -> float:
    if not operation.macs:
        return conditions.device.peak("fp32")
    dtype = _DTYPES.get(operation.inputs[0].dtype, "fp32")
    return conditions.device.peak("tf32" if dtype == "fp32" and conditions.precision.tf32 else dtype)


def _bytes_joined(operation: Operation) -> int:
    """Its first input stays in registers, and what it writes is written in place of that."""
    return sum(info.size_bytes for info in operation.inputs[1:])


def _bytes_alone(operation: Operation, conditions: Conditions, mode: str) -> int:
    moved = operation.read_bytes + operation.written_bytes
    makes_indices = operation.name.startswith("aten.max_pool") and len(operation.outputs) > 1
    if conditions.is_fused and makes_indices and mode == "eval":
        return moved - operation.outputs[1].size_bytes
    return moved


def _helpers(operation: Operation, conditions: Conditions) -> Iterator[int]:
    """Yield the bytes that each kernel around a convolution moves: copies to and from channels last, the bias."""
    if not _is_convolution(operation) or conditions.is_fused or conditions.device.kind != "gpu":
        return
    if copies_to_channels_last(operation, conditions):
        yield from (2 * info.size_bytes for info in (operation.inputs[0], operation.outputs[0]))
    if not operation.is_backward and len(operation.inputs) > 2:
        yield 2 * operation.outputs[0].size_bytes


def copies_to_channels_last(operation: Operation, conditions: Conditions) -> bool:
    """Say whether it is a convolution whose tensors are copied first, for tensor cores take channels last."""
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


def _follows(operation: Operation, before: Operation | None) -> bool:
    """Say whether an operator takes what the one before it made, as far as shape and dtype tell, and can join it."""
    if before is None or before.macs or not before.outputs or not operation.inputs:
        return False
    made, taken = before.outputs[0], operation.inputs[0]
    return before.is_backward == operation.is_backward and (made.shape, made.dtype) == (taken.shape, taken.dtype)
