"""Columns of the tables about devices and how fast models are on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace

from archbench.analyze.performance.efficiency import Efficiency
from archbench.analyze.performance.estimate import EstimateRow, RooflineRow
from archbench.analyze.performance.parallelism import LayerTraffic, PlanStep
from archbench.hardware.device import Device
from archbench.reporting.table import Column, Table
from archbench.units import format_bytes, format_measure, format_percent, format_rate, format_time

_DEVICES = (
    Column("name", "Device", "text", 0),
    Column("title", "Title", "text", 7),
    Column("year", "Year", "plain", 6),
    Column("memory_bytes", "Memory", "bytes", 1),
    Column("bandwidth_bytes_per_s", "B/s", "count", 2),
    Column("fp32_flop_per_s", "fp32 FLOP/s", "count", 3),
    Column("tf32_flop_per_s", "tf32", "count", 8),
    Column("bf16_flop_per_s", "bf16", "count", 4),
    Column("fp16_flop_per_s", "fp16", "count", 5),
    Column("interconnect_bytes_per_s", "Link B/s", "count", 9),
    Column("power_w", "Watt", "measure", 10),
    Column("is_measured", "Measured", "plain"),
    Column("source", "Source", "text"),
)


_ESTIMATES = (
    Column("model", "Model", "text", 0),
    Column("device", "Device", "text", 1),
    Column("devices", "Devices", "plain", 2),
    Column("mode", "Mode", "text"),
    Column("batch", "Batch", "plain", 7),
    Column("dtype", "Dtype", "text"),
    Column("layout", "Layout", "text"),
    Column("is_fused", "Fused", "plain"),
    Column("images_per_s", "Images/s", "measure", 3),
    Column("images_per_s_low", "Low", "measure", 6),
    Column("images_per_s_high", "High", "measure", 6),
    Column("step_s", "Step", "time", 8),
    Column("communication_s", "Sending", "time", 13),
    Column("exposed_s", "Waiting", "time", 12),
    Column("scaling", "Scaling", "percent", 5),
    Column("flop_per_s", "FLOP/s", "count", 14),
    Column("utilisation", "Of peak", "percent", 9),
    Column("bound", "Bound by", "text", 10),
    Column("peak_bytes", "Memory", "bytes", 11),
    Column("hours", "Hours", "measure", 5),
    Column("energy_kwh", "kWh", "measure", 5),
    Column("price", "Price", "measure", 5),
)

_ROOFLINE = (
    Column("index", "#", "plain"),
    Column("name", "Layer", "text", 0),
    Column("type", "Type", "text", 6),
    Column("flops", "FLOPs", "count", 5),
    Column("moved_bytes", "Moved", "bytes", 7),
    Column("intensity", "FLOP/B", "float", 4),
    Column("ridge", "Ridge", "float"),
    Column("time_s", "Time", "time", 1),
    Column("share", "Share", "percent", 2),
    Column("flop_per_s", "FLOP/s", "count", 8),
    Column("bound", "Bound by", "text", 3),
)

_PLANS = (
    Column("index", "#", "plain"),
    Column("name", "Layer", "text", 0),
    Column("type", "Type", "text", 5),
    Column("param_bytes", "Params", "bytes", 4),
    Column("input_bytes", "All inputs", "bytes", 6),
    Column("data_parallel_bytes", "Data parallel", "bytes", 1),
    Column("model_parallel_bytes", "Model parallel", "bytes", 2),
    Column("cheaper", "Cheaper", "text", 3),
)


def domain_note(*, mode: str, batch: int, dtype: str, kind: str) -> str | None:
    """Say in which respects a prediction lies outside what its efficiency was fitted on; None if in none."""
    outside = []
    if mode == "train":
        outside.append("training")
    if batch < _FITTED_BATCH:
        outside.append(f"batches below {_FITTED_BATCH}, where Python may hold the device back")
    if dtype in ("fp32", "tf32"):
        outside.append("32-bit products")
    if kind == "cpu":
        outside.append("CPUs")
    return (
        f"No published rate here is of {', of '.join(outside)}: how far off this is, is not known." if outside else None
    )


def devices_table(devices: Iterable[Device]) -> Table:
    """Return one row a device."""
    rows = [
        {
            **{field: getattr(device, field) for field in ("name", "title", "year", "memory_bytes", "power_w")},
            "bandwidth_bytes_per_s": device.bandwidth_bytes_per_s,
            "interconnect_bytes_per_s": device.interconnect_bytes_per_s,
            **{f"{dtype}_flop_per_s": rate for dtype, rate in device.peak_flop_per_s.items()},
            "is_measured": device.is_measured,
            "source": "; ".join(f"{figure}: {source}" for figure, source in device.sources.items()),
        }
        for device in devices
    ]
    return Table(
        columns=_DEVICES,
        rows=rows,
        notes=(
            "Rates of dense matrix products, published or measured on this machine; CSV and JSON name the sources.",
        ),
    )


# Published rates are of inference in half precision, with batches of 512 and 1024.
_FITTED_BATCH = 64


def efficiency_note(efficiency: Efficiency) -> str:
    """Say what part of the peak is assumed, and how far off predictions with it have been."""
    low, high, error = map(format_percent, (efficiency.low, efficiency.high, efficiency.error))
    spread = "" if low == high else f" ({low} to {high})"
    known = f"; models that a fit had not seen came within {error}" if efficiency.error else ""
    return f"Efficiency: {format_percent(efficiency.value)} of the peak{spread}, {efficiency.basis}{known}."


def estimates_table(
    rows: Sequence[EstimateRow],
    *,
    device: Device,
    link_bytes_per_s: float,
    efficiency: Efficiency,
    caveats: Iterable[str] = (),
) -> Table:
    """Return one row a number of devices, with where adding more stops to pay."""
    first = rows[0]
    fused = "fused" if first.is_fused else "eager"
    notes = [efficiency_note(efficiency)]
    smallest = min(row.batch for row in rows)
    outside = domain_note(mode=first.mode, batch=smallest, dtype=first.dtype, kind=device.kind)
    if outside is not None:
        notes.append(outside)
    if rows[-1].devices > 1:
        link = format_rate(link_bytes_per_s)
        notes.append(f"Each device sends {link} to others, across hosts too; state another rate by --interconnect.")
    if len(rows) > 1:
        fastest = max(rows, key=lambda row: row.images_per_s)
        wasted = next((row for row in rows if row.scaling < 0.5), None)
        if fastest is not rows[-1]:
            notes.append(f"Scaling stops: {fastest.devices} devices are the fastest, more are slower.")
        if wasted is not None:
            notes.append(f"From {wasted.devices} devices on more than half of what they could do is lost.")
    alone = len(rows) == 1 and first.devices == 1
    only_many = ("scaling", "communication_s", "exposed_s", "devices")
    return Table(
        columns=tuple(
            replace(column, priority=None) if alone and column.field in only_many else column for column in _ESTIMATES
        ),
        rows=[asdict(row) for row in rows],
        title=f"{first.mode}, {first.dtype}, {first.layout}, {fused}, {_batch(rows)}",
        notes=tuple(notes),
        caveats=tuple(caveats),
    )


def _batch(rows: Sequence[EstimateRow]) -> str:
    first = rows[0]
    if len({row.batch for row in rows}) > 1:
        return f"batch {first.batch * first.devices} divided among all"
    return f"batch {first.batch}" + (" on each device" if rows[-1].devices > 1 else "")


def roofline_table(
    rows: Sequence[RooflineRow], *, title: str, efficiency: Efficiency, caveats: Iterable[str] = ()
) -> Table:
    """Return one row a layer, with the sum."""
    flops, moved, time = (sum(getattr(row, field) for row in rows) for field in ("flops", "moved_bytes", "time_s"))
    totals = {"name": "total", "flops": flops, "moved_bytes": moved, "time_s": time, "flop_per_s": flops / time}
    ridge = f"The ridge is at {format_measure(rows[0].ridge)} FLOP/B: below it a product waits for memory."
    return Table(
        columns=_ROOFLINE,
        rows=[asdict(row) for row in rows],
        title=title,
        totals={**totals, "share": 1.0, "intensity": flops / moved},
        notes=(ridge, efficiency_note(efficiency)),
        caveats=tuple(caveats),
    )


def plans_table(
    rows: Sequence[LayerTraffic],
    plans: Sequence[PlanStep],
    *,
    images: int,
    title: str,
    efficiency: Efficiency,
    caveats: Iterable[str] = (),
) -> Table:
    """Return what a device sends for each layer, and below it each plan as a whole; `images` are those of a step."""
    totals = {plan.plan: plan.sent_bytes for plan in plans}
    said = [
        f"{_PLAN_NAMES[plan.plan]}: {format_bytes(plan.sent_bytes)} a step, {format_time(plan.communication_s)} of "
        f"{format_time(plan.step_s)}: {format_measure(images / plan.step_s)} images/s."
        for plan in plans
    ]
    return Table(
        columns=_PLANS,
        rows=[asdict(row) for row in rows],
        title=title,
        totals={
            "name": "total",
            "data_parallel_bytes": totals["data"],
            "model_parallel_bytes": totals["model"],
        },
        notes=(*said, efficiency_note(efficiency)),
        caveats=tuple(caveats),
    )


_PLAN_NAMES = {"data": "All layers data parallel", "model": "All model parallel", "mixed": "Each the cheaper"}
