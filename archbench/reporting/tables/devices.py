"""The table of devices and their ceilings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from archbench.hardware.device import Device
from archbench.reporting.table import Column, Table

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
    Column("source", "Source", "text"),
)


def devices_table(devices: Iterable[Device]) -> Table:
    """Return one row per device."""
    return Table(
        columns=_COLUMNS,
        rows=[_row(device) for device in devices],
        title="dense matrix products, 32-bit accumulation",
        notes=("Rates are published, or measured on this machine; CSV and JSON name the sources.",),
    )


def _row(device: Device) -> dict[str, Any]:
    return {
        **{column.field: getattr(device, column.field, None) for column in _COLUMNS},
        **{_rate_field(dtype): rate for dtype, rate in device.peak_flop_per_s.items()},
        "source": "; ".join(f"{figure}: {source}" for figure, source in device.sources.items()),
    }


def _rate_field(dtype: str) -> str:
    return f"{dtype}_op_per_s" if dtype == "int8" else f"{dtype}_flop_per_s"
