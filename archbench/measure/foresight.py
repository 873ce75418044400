"""What a configuration is expected to take, from its trace: to stand beside what is measured."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import torch

from archbench.address import Source, find
from archbench.analyze.efficiency import stated_efficiency
from archbench.analyze.footprint import footprint
from archbench.analyze.roofline import Conditions, Layout, time_s
from archbench.devices.catalogue import Device, all_devices
from archbench.errors import DeviceError
from archbench.inputs import specs_of
from archbench.measure.request import Request
from archbench.precision import find_precision
from archbench.trace.records import Operation, Trace
from archbench.trace.structures import map_tensors
from archbench.trace.tracer import Mode, trace


@dataclass(frozen=True, slots=True)
class Foresight:
    """FLOPs of a step, the peak of its tensors, and the rate and peak FLOP/s by the ceilings that are known, if any.

    `winograd_share` is the part of the FLOPs that Winograd's algorithm may save on: 3x3 convolutions of stride 1.
    """

    flops: int
    winograd_share: float
    needed_bytes: int
    images_per_s: float | None
    peak_flop_per_s: float | None


def foresee(request: Request) -> Foresight:
    """Return what is expected of a request on this machine's device."""
    record = _trace(request)
    precision, device = find_precision(request.dtype), device_here(request.kind)
    try:
        peak = None if device is None else device.peak(precision.product_dtype)
    except DeviceError:
        peak = None  # the device is known, but not in this dtype
    conditions = None
    if device is not None and peak is not None:
        efficiency = stated_efficiency(device, is_fused=request.compiled)
        layout: Layout = "nhwc" if request.layout == "nhwc" else "nchw"
        conditions = Conditions(device, precision, efficiency.value, layout, request.compiled)
    step_s = 0.0 if conditions is None else time_s(record, conditions)
    flops = sum(operation.flops for operation in (*record.operations, *record.update))
    return Foresight(
        flops=flops,
        winograd_share=sum(op.flops for op in record.operations if _may_be_winograd(op)) / max(flops, 1),
        needed_bytes=footprint(request.model, record, request.dtype, conditions).needed_bytes,
        images_per_s=request.batch / step_s if step_s else None,
        peak_flop_per_s=peak,
    )


def device_here(kind: str) -> Device | None:
    """Return this machine's ceilings: as measured, else as published for the GPU's name, else None."""
    devices = all_devices()
    measured = devices.get(f"this_{kind}")
    if measured is not None or kind != "cuda":
        return measured
    name = _plain(torch.cuda.get_device_name())
    known = [device for key, device in devices.items() if _plain(key) in name]
    return max(known, key=lambda device: len(device.name), default=None)


def _may_be_winograd(operation: Operation) -> bool:
    window = operation.window
    return window is not None and window.groups is not None and (window.kernel, set(window.stride)) == ((3, 3), {1})


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _trace(request: Request) -> Trace:
    source, precision = find(request.model), find_precision(request.dtype)
    model = source.build().to(precision.model_dtype)
    mode: Mode = "train" if request.mode == "train" else "eval"
    return trace(model, _inputs(request, source), mode=mode, autocast_dtype=precision.autocast_dtype)


def _inputs(request: Request, source: Source) -> Any:
    has_example = source.example_inputs is not None
    specs = specs_of(request.model, request.inputs, source.input_shape, has_example=has_example)
    inputs: Any = tuple(spec.tensor(request.batch) for spec in specs)
    if not specs and source.example_inputs is not None:
        inputs = source.example_inputs(request.batch)
    dtype = find_precision(request.dtype).model_dtype
    return map_tensors(inputs, lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)
