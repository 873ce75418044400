"""What a configuration is expected to take, from its trace: to stand beside what is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archbench.analyze.memory.footprint import footprint
from archbench.analyze.performance.efficiency import stated_efficiency
from archbench.analyze.performance.roofline import Conditions, Layout, time_s
from archbench.errors import DeviceError
from archbench.hardware.catalogue import published_device
from archbench.hardware.ceilings import title_here
from archbench.hardware.device import Device
from archbench.hardware.measured import measured_devices
from archbench.host.machine import usable_cores
from archbench.measure.worker.request import Request
from archbench.models.address import Source, find
from archbench.models.inputs import specs_of
from archbench.precision import Precision, find_precision
from archbench.trace.pytree import map_tensors
from archbench.trace.records import Operation, Trace
from archbench.trace.tracer import Mode, trace


@dataclass(frozen=True, slots=True)
class Foresight:
    """FLOPs of a step, the peak of its tensors, and the rate and peak FLOP/s by the ceilings that are known, if any.

    `winograd_share` is the part of the FLOPs that Winograd's algorithm may save on: 3x3 convolutions of stride 1.
    `published_flop_per_s` is the peak that the device's maker states, also where a measured one is known.
    """

    flops: int
    winograd_share: float
    needed_bytes: int
    images_per_s: float | None
    peak_flop_per_s: float | None
    published_flop_per_s: float | None


def foresee(request: Request) -> Foresight:
    """Return what is expected of a request on this machine's device."""
    record = _trace(request)
    precision, device = find_precision(request.dtype), device_here(request.kind, request.threads)
    peak = _peak(device, precision)
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
        published_flop_per_s=_peak(_published_here(request.kind), precision),
    )


def device_here(kind: str, threads: int) -> Device | None:
    """Return the ceilings of this machine's device: as measured of this very one, else as published, else None.

    Those of a CPU are measured with some number of threads, and say nothing of another.
    """
    measured = measured_devices().get(f"this_{kind}")
    if measured is None or measured.title != title_here(kind):
        return _published_here(kind)
    return measured if kind != "cpu" or threads == (measured.threads or usable_cores()) else None


def _published_here(kind: str) -> Device | None:
    return published_device(title_here(kind)) if kind == "cuda" else None


def _peak(device: Device | None, precision: Precision) -> float | None:
    """Return the peak in FLOP/s, None where the device is not known, or not in this dtype."""
    try:
        return None if device is None else device.peak(precision.product_dtype)
    except DeviceError:
        return None


def _may_be_winograd(operation: Operation) -> bool:
    window = operation.window
    return window is not None and window.groups is not None and (window.kernel, set(window.stride)) == ((3, 3), {1})


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
