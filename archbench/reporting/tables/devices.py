"""The table of devices and their ceilings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from archbench.hardware.device import Device, MeasuredRate
from archbench.reporting.table import Column, Table
from archbench.units import format_count, format_measure

_CONVOLUTION_DTYPES = ("fp32", "tf32", "bf16", "fp16")
_COLUMNS = (
    Column("name", "Device", "text", 0),
    Column("title", "Title", "text", 12),
    Column("year", "Year", "plain", 6),
    Column("memory_bytes", "Memory", "bytes", 1),
    Column("bandwidth_bytes_per_s", "B/s", "count", 2),
    Column("fp32_flop_per_s", "fp32 FLOP/s", "count", 3),
    Column("tf32_flop_per_s", "tf32", "count", 7),
    Column("bf16_flop_per_s", "bf16", "count", 4),
    Column("fp16_flop_per_s", "fp16", "count", 5),
    Column("fp8_flop_per_s", "fp8", "count", 8),
    Column("int8_op_per_s", "int8 OP/s", "count", 9),
    Column("interconnect_bytes_per_s", "Link B/s", "count", 10),
    Column("power_w", "Watt", "measure", 11),
    Column("is_data_center", "Data center", "plain"),
    Column("is_measured", "Measured", "plain"),
    *(Column(f"{dtype}_convolution_flop_per_s", f"{dtype} 3x3", "count") for dtype in _CONVOLUTION_DTYPES),
    *(Column(f"{dtype}_depthwise_flop_per_s", f"{dtype} depthwise", "count") for dtype in _CONVOLUTION_DTYPES),
    Column("measured_rates", "Measured rates", "text"),
    Column("source", "Source", "text"),
)


def devices_table(devices: Iterable[Device]) -> Table:
    """Return one row per device."""
    devices = list(devices)
    return Table(
        columns=_COLUMNS,
        rows=[_row(device) for device in devices],
        title="dense matrix products, 32-bit accumulation",
        notes=(
            "Rates are published or measured here; CSV and JSON name the sources.",
            *(
                f"{device.name}: {_measured_text(device)}."
                for device in devices
                if device.measured_rates and len(devices) == 1
            ),
        ),
    )


def _measured_text(device: Device) -> str:
    """Return what was measured beside the figures of the table, for people."""
    kinds = {"3x3 convolution": device.convolution_flop_per_s, "7x7 depthwise": device.depthwise_flop_per_s}
    convolutions = [f"{name} {format_count(rates['fp32'])} FLOP/s" for name, rates in kinds.items() if rates]
    return "; ".join([*convolutions, *(format_rate(rate) for rate in device.measured_rates)])


def format_rate(rate: MeasuredRate) -> str:
    """Return a measured rate for people, such as "resnet18 batch 16: 45.2 images/s"."""
    return f"{rate.model.partition(':')[2]} batch {rate.batch}: {format_measure(rate.images_per_s)} images/s"


def _row(device: Device) -> dict[str, Any]:
    return {
        **{column.field: getattr(device, column.field, None) for column in _COLUMNS},
        **{_rate_field(dtype): rate for dtype, rate in device.peak_flop_per_s.items()},
        **{f"{dtype}_convolution_flop_per_s": rate for dtype, rate in device.convolution_flop_per_s.items()},
        **{f"{dtype}_depthwise_flop_per_s": rate for dtype, rate in device.depthwise_flop_per_s.items()},
        "measured_rates": "; ".join(_full_text(rate) for rate in device.measured_rates) or None,
        "source": "; ".join(f"{figure}: {source}" for figure, source in device.sources.items()),
    }


def _rate_field(dtype: str) -> str:
    return f"{dtype}_op_per_s" if dtype == "int8" else f"{dtype}_flop_per_s"


def _full_text(rate: MeasuredRate) -> str:
    conditions = f"{rate.model} {rate.mode} {rate.dtype} {rate.layout} batch {rate.batch}"
    return f"{conditions}: {rate.images_per_s:.6g} images/s"
