"""Several devices: what data parallelism gains, and which layers want which kind of parallelism.

Data parallel: each device has all parameters and its own samples; after backward the gradients are summed over all N
devices. A ring sends and receives 2 (N - 1)/N of them over each link (Patarasu and Yuan 2009), with a delay a stage of
a tree, 2 log2 N in all. As in torch's DistributedDataParallel gradients go in buckets of 25 MiB, the first of 1 MiB, as
soon as backward has made them, one bucket after the other, while backward goes on.

Model parallel: a layer's filters or neurons are divided. Each device then needs every sample's input, and gives back
its part of the input's gradient: (N - 1)/N of each for all devices' samples (Krizhevsky: One weird trick for
parallelizing convolutional neural networks, 2014).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2
from typing import Literal

from archbench.analyze.layers import layer_table
from archbench.analyze.performance.roofline import Conditions, kernels
from archbench.trace.records import Operation, Trace

STAGE_DELAY_S = 5e-6
_BUCKET_BYTES = 25 * 2**20
_FIRST_BUCKET_BYTES = 2**20

Plan = Literal["data", "model", "mixed"]


@dataclass(frozen=True, slots=True)
class Scaled:
    """A training step on several devices: `exposed_s` is the communication that backward does not hide."""

    devices: int
    step_s: float
    communication_s: float
    exposed_s: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one device sends for a layer in a step under each kind of parallelism, and which sends less."""

    index: int
    name: str
    type: str
    param_bytes: int
    input_bytes: int
    data_parallel_bytes: int
    model_parallel_bytes: int
    cheaper: Literal["data", "model"]


@dataclass(frozen=True, slots=True)
class Planned:
    """A step under one plan for all layers: what one device sends, how long that takes, and the step with it."""

    plan: Plan
    sent_bytes: int
    communication_s: float
    step_s: float


def all_reduce_s(size_bytes: float, devices: int, link_bytes_per_s: float) -> float:
    """Return the time in which a sum over all devices is on each of them."""
    if devices == 1:
        return 0.0
    return 2 * (devices - 1) / devices * size_bytes / link_bytes_per_s + 2 * log2(devices) * STAGE_DELAY_S


def data_parallel(trace: Trace, conditions: Conditions, devices: int, link_bytes_per_s: float) -> Scaled:
    """Return a training step of the trace's batch on each of several devices."""
    clock_s, at_step = 0.0, {}
    backward_end_s = None
    updates = {id(operation) for operation in trace.update}
    for kernel in kernels(trace, conditions):
        if id(kernel.operation) in updates and backward_end_s is None:
            backward_end_s = clock_s
        clock_s += kernel.time_s
        at_step[kernel.operation.step] = clock_s
    end_s = clock_s if backward_end_s is None else backward_end_s
    free_s = spent_s = 0.0
    for ready_s, size in _buckets(trace, at_step):
        took_s = all_reduce_s(size, devices, link_bytes_per_s)
        free_s = max(free_s, ready_s) + took_s
        spent_s += took_s
    exposed_s = max(0.0, free_s - end_s)
    return Scaled(devices, clock_s + exposed_s, spent_s, exposed_s)


def _buckets(trace: Trace, at_step: dict[int, float]) -> list[tuple[float, int]]:
    """Return when each bucket is complete, and its bytes."""
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


def layer_traffic(trace: Trace, devices: int) -> list[Traffic]:
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
        rows.append(Traffic(row.index, row.name, row.type, row.param_bytes, inputs, data, model, cheaper))
    return rows


def _input_bytes(operation: Operation) -> int:
    """Return the size of what an operator multiplies with weights."""
    data = (info.size_bytes for info, weight in zip(operation.inputs, operation.weights, strict=True) if not weight)
    return next(data, 0)


def planned(rows: list[Traffic], compute_s: float, link_bytes_per_s: float) -> list[Planned]:
    """Return the step under each plan, nothing of the traffic hidden behind arithmetic.

    All layers data parallel, all model parallel, or each whichever sends less. Under every plan a device does the same
    arithmetic: all of a layer for its own samples, or its part of the layer for everybody's.
    """
    sent: dict[Plan, int] = {
        "data": sum(row.data_parallel_bytes for row in rows),
        "model": sum(row.model_parallel_bytes for row in rows),
        "mixed": sum(min(row.data_parallel_bytes, row.model_parallel_bytes) for row in rows),
    }
    return [
        Planned(plan, size, size / link_bytes_per_s, compute_s + size / link_bytes_per_s) for plan, size in sent.items()
    ]
