"""Training on N devices: the gain of data parallelism, and the traffic of each layer under data and model parallelism.

Data parallel: each device has all parameters and its own samples; after backward the gradients are summed over all
devices. A ring all-reduce sends and receives 2 (N - 1)/N of them over each link (Patarasu and Yuan 2009), with a delay
for each of the 2 log2 N stages of a tree. As in torch's DistributedDataParallel, gradients are sent in buckets of
25 MiB (the first: 1 MiB) as soon as backward has computed them, one bucket after the other, while backward continues.

Model parallel: a layer's filters or neurons are divided. Each device then needs every sample's input and returns its
part of the input's gradient: (N - 1)/N of each, for the samples of all devices (Krizhevsky: One weird trick for
parallelizing convolutional neural networks, 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2
from typing import Literal

from archbench.analyze.layers import layer_table
from archbench.analyze.performance.roofline import Conditions, timed_kernels
from archbench.trace.records import Operation, Trace

STAGE_DELAY_S = 5e-6
_BUCKET_BYTES = 25 * 2**20
_FIRST_BUCKET_BYTES = 2**20

Plan = Literal["data", "model", "mixed"]


@dataclass(frozen=True, slots=True)
class ParallelStep:
    """A training step on several devices, for `images` samples in all.

    `exposed_s` is the communication that does not overlap with backward.
    """

    devices: int
    images: int
    step_s: float
    communication_s: float
    exposed_s: float


@dataclass(frozen=True, slots=True)
class LayerTraffic:
    """The bytes that one device sends for a layer in a step under data and model parallelism, and the cheaper one."""

    index: int
    name: str
    type: str
    param_bytes: int
    input_bytes: int
    data_parallel_bytes: int
    model_parallel_bytes: int
    cheaper: Literal["data", "model"]


@dataclass(frozen=True, slots=True)
class PlanStep:
    """A step under one plan for all layers: the bytes that one device sends, their time, and the step's."""

    plan: Plan
    sent_bytes: int
    communication_s: float
    step_s: float


def all_reduce_s(size_bytes: float, devices: int, link_bytes_per_s: float) -> float:
    """Return the time of an all-reduce, a sum over all devices that each of them receives."""
    if devices == 1:
        return 0.0
    return 2 * (devices - 1) / devices * size_bytes / link_bytes_per_s + 2 * log2(devices) * STAGE_DELAY_S


def data_parallel(
    trace: Trace, conditions: Conditions, devices: int, link_bytes_per_s: float, images: int | None = None
) -> ParallelStep:
    """Return a training step in which each device runs `trace`; `images` defaults to the batch on every device."""
    clock_s, at_step = 0.0, {}
    backward_end_s = None
    updates = {id(operation) for operation in trace.update}
    for kernel in timed_kernels(trace, conditions):
        if id(kernel.operation) in updates and backward_end_s is None:
            backward_end_s = clock_s
        clock_s += kernel.time_s
        at_step[kernel.operation.step] = clock_s
    end_s = clock_s if backward_end_s is None else backward_end_s
    free_s = communication_s = 0.0
    for ready_s, size in _buckets(trace, at_step):
        bucket_s = all_reduce_s(size, devices, link_bytes_per_s)
        free_s = max(free_s, ready_s) + bucket_s
        communication_s += bucket_s
    exposed_s = max(0.0, free_s - end_s)
    return ParallelStep(devices, images or devices * trace.batch, clock_s + exposed_s, communication_s, exposed_s)


def _buckets(trace: Trace, at_step: dict[int, float]) -> list[tuple[float, int]]:
    """Return the time at which each bucket is complete, and its bytes."""
    gradients = sorted((s for s in trace.storages if s.kind == "gradient"), key=lambda storage: storage.born)
    buckets: list[tuple[float, int]] = []
    size, ready_s = 0, 0.0
    for gradient in gradients:
        size += gradient.size_bytes
        ready_s = at_step.get(gradient.born, ready_s)
        if size >= (_BUCKET_BYTES if buckets else _FIRST_BUCKET_BYTES):
            buckets.append((ready_s, size))
            size = 0
    return [*buckets, (ready_s, size)] if size else buckets


def layer_traffic(trace: Trace, devices: int) -> list[LayerTraffic]:
    """Return the traffic of each layer that multiplies by weights; the trace's batch is that of one device."""
    part = (devices - 1) / devices
    first_input = {trace.row_of(op): _input_bytes(op) for op in reversed(trace.operations) if op.macs}
    rows = []
    for row in layer_table(trace).rows:
        if not row.macs or not row.params:
            continue
        inputs = first_input[row.name] * devices
        data, model = round(2 * part * row.param_bytes), round(2 * part * inputs)
        cheaper: Literal["data", "model"] = "data" if data <= model else "model"
        rows.append(LayerTraffic(row.index, row.name, row.type, row.param_bytes, inputs, data, model, cheaper))
    return rows


def _input_bytes(operation: Operation) -> int:
    """Return the bytes of the input that an operator multiplies by weights."""
    data = (info.size_bytes for info, weight in zip(operation.inputs, operation.weights, strict=True) if not weight)
    return next(data, 0)


def plan_steps(rows: Sequence[LayerTraffic], compute_s: float, link_bytes_per_s: float) -> list[PlanStep]:
    """Return the step under each plan, without overlap of communication and arithmetic.

    The plans: all layers data parallel, all model parallel, or the cheaper for each layer. The arithmetic per device is
    the same under each: a whole layer for its own samples, or its part of the layer for all samples.
    """
    sent: dict[Plan, int] = {
        "data": sum(row.data_parallel_bytes for row in rows),
        "model": sum(row.model_parallel_bytes for row in rows),
        "mixed": sum(min(row.data_parallel_bytes, row.model_parallel_bytes) for row in rows),
    }
    times_s = {plan: size / link_bytes_per_s for plan, size in sent.items()}
    return [PlanStep(plan, sent[plan], time_s, compute_s + time_s) for plan, time_s in times_s.items()]
