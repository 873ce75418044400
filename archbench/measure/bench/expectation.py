"""The expected cost of a configuration, from its trace and the device's ceilings, to compare measurements with."""

from __future__ import annotations

from dataclasses import dataclass

from archbench.analyze.memory.footprint import footprint
from archbench.analyze.performance.rate_basis import rate_basis
from archbench.analyze.performance.roofline import Conditions, time_s
from archbench.errors import DeviceError
from archbench.hardware.catalogue import published_device
from archbench.hardware.ceilings import title_here
from archbench.hardware.device import Device
from archbench.hardware.measured import measured_devices
from archbench.host.machine import Kind, usable_cores
from archbench.models.loaded import load_model
from archbench.precision import Precision
from archbench.store.records import Configuration
from archbench.trace.records import Operation, Trace


@dataclass(frozen=True, slots=True)
class Expectation:
    """FLOPs, least traffic and peak memory of a step, and the rates that the known ceilings allow; None is unknown.

    `winograd_share` is the fraction of the FLOPs that Winograd's algorithm may reduce: 3x3 convolutions of stride 1.
    `least_bytes` is the size of the weights and biases of convolutions and matrix products, which a step reads at
    least once. `peak_flop_per_s` and `bandwidth_bytes_per_s` are those measured on this machine by `archbench devices
    --measure`, else the published ones, which are the manufacturer's.
    """

    flops: int
    winograd_share: float
    least_bytes: int
    needed_bytes: int
    images_per_s: float | None
    peak_flop_per_s: float | None
    bandwidth_bytes_per_s: float | None
    published_flop_per_s: float | None
    published_bytes_per_s: float | None


def expect(configuration: Configuration) -> Expectation:
    """Return what a configuration is expected to take on this machine's device."""
    loaded = load_model(
        configuration.model,
        configuration.inputs or None,
        dtype=configuration.dtype,
        device_kind="cpu" if configuration.kind == "cpu" else "cuda",
    )
    record, precision = loaded.trace(configuration.batch, configuration.mode), loaded.precision
    device, published = device_here(configuration.kind, configuration.threads), _published_here(configuration.kind)
    conditions = _conditions(configuration, device, precision)
    step_s = 0.0 if conditions is None else time_s(record, conditions)
    flops = sum(operation.flops for operation in (*record.operations, *record.update))
    return Expectation(
        flops=flops,
        winograd_share=sum(op.flops for op in record.operations if _may_use_winograd(op)) / max(flops, 1),
        least_bytes=_weight_bytes(record),
        needed_bytes=footprint(configuration.model, record, configuration.dtype, conditions).needed_bytes,
        images_per_s=configuration.batch / step_s if step_s else None,
        peak_flop_per_s=_peak(device, precision),
        bandwidth_bytes_per_s=None if device is None else device.bandwidth_bytes_per_s,
        published_flop_per_s=_peak(published, precision),
        published_bytes_per_s=None if published is None else published.bandwidth_bytes_per_s,
    )


def device_here(kind: Kind, threads: int) -> Device | None:
    """Return the ceilings of this machine's device: measured on it if there are any, else published, else None.

    A CPU's ceilings hold for the number of threads they were measured with.
    """
    measured = measured_devices().get(f"this_{kind}")
    if measured is None or measured.title != title_here(kind):
        return _published_here(kind)
    return measured if kind != "cpu" or threads == (measured.threads or usable_cores()) else None


def _published_here(kind: Kind) -> Device | None:
    return published_device(title_here(kind)) if kind == "cuda" else None


def _conditions(configuration: Configuration, device: Device | None, precision: Precision) -> Conditions | None:
    """Return the conditions of the roofline, None if the device's peak is unknown."""
    if device is None or _peak(device, precision) is None:
        return None
    basis = rate_basis(
        device,
        mode=configuration.mode,
        dtype=precision.name,
        layout=configuration.layout,
        is_compiled=configuration.compiled,
    )
    return Conditions(device, precision, basis.coefficients, configuration.layout, configuration.compiled)


def _peak(device: Device | None, precision: Precision) -> float | None:
    """Return the peak in FLOP/s, None if the device or its peak in this dtype is unknown."""
    try:
        return None if device is None else device.peak(precision.product_dtype)
    except DeviceError:
        return None


def _may_use_winograd(operation: Operation) -> bool:
    window = operation.window
    return window is not None and window.groups is not None and (window.kernel, set(window.stride)) == ((3, 3), {1})


def _weight_bytes(record: Trace) -> int:
    """Return the bytes of all weights of convolutions and matrix products; of an embedding only some rows are read."""
    products = (operation for operation in record.operations if operation.macs and not operation.is_backward)
    weights = {
        storage: tensor.size_bytes
        for operation in products
        for storage, tensor in zip(operation.weights, operation.inputs, strict=False)
        if storage
    }
    return sum(weights.values())
