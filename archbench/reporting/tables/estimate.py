"""Tables of predicted throughput: one row per prediction, per layer, or per layer's traffic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

from archbench.analyze.performance.estimate import EstimateRow, RooflineRow
from archbench.analyze.performance.links import Links
from archbench.analyze.performance.parallelism import LayerTraffic, PlanStep
from archbench.analyze.performance.rate_basis import RateBasis
from archbench.analyze.performance.rate_evidence import Evidence, merged, phrase
from archbench.hardware.device import Device
from archbench.reporting.table import Column, Table
from archbench.units import format_bytes, format_measure, format_time

_ESTIMATES = (
    Column("model", "Model", "text", 0),
    Column("device", "Device", "text", 1),
    Column("devices", "Devices", "plain", 2),
    Column("mode", "Mode", "text"),
    Column("batch", "Batch", "plain", 7),
    Column("dtype", "Dtype", "text"),
    Column("layout", "Layout", "text"),
    Column("compiled", "Compiled", "plain"),
    Column("is_fused", "Fused", "plain"),
    Column("images_per_s", "Images/s", "measure", 3),
    Column("images_per_s_low", "Low", "measure", 6),
    Column("images_per_s_high", "High", "measure", 6),
    Column("step_s", "Step", "time", 8),
    Column("communication_s", "Sending", "time", 13),
    Column("exposed_s", "Waiting", "time", 12),
    Column("scaling", "Scaling", "percent", 5),
    Column("link", "Link", "text", 15),
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

# Columns that only several devices fill, and those that only a prediction with an interval does.
_PARALLEL = ("scaling", "communication_s", "exposed_s", "devices", "link")
_INTERVAL = ("images_per_s_low", "images_per_s_high")

_PLAN_NAMES = {"data": "All layers data parallel", "model": "All model parallel", "mixed": "The cheaper for each layer"}


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What a prediction assumes about a device: how fast it runs kernels, and its links to others."""

    device: Device
    basis: RateBasis
    links: Links


def estimates_table(
    rows: Sequence[EstimateRow],
    *,
    assumptions: Sequence[Assumptions],
    tf32_rate: float | None = None,
    caveats: Iterable[str] = (),
) -> Table:
    """Return one row per model, device, batch and number of devices; `assumptions` has an entry per row.

    `tf32_rate` is that of one device of the first row with convolutions in TF32, None where it is not to be mentioned.
    """
    first = rows[0]
    compiled = "compiled" if first.compiled else "eager"
    hidden = {*_PARALLEL} if all(row.devices == 1 for row in rows) else set()
    hidden |= {*_INTERVAL} if first.images_per_s_low is None else set()
    return Table(
        columns=tuple(replace(column, priority=None) if column.field in hidden else column for column in _ESTIMATES),
        rows=[asdict(row) | {"is_fused": row.is_fused} for row in rows],
        title=", ".join(filter(None, (first.mode, first.dtype, first.layout, compiled, _batch(rows)))),
        notes=(*_link_notes(rows, assumptions), *_scaling_notes(rows)),
        doubts=(*_basis_notes(rows, assumptions), *_tf32_note(first, tf32_rate)),
        caveats=tuple(caveats),
    )


def _basis_notes(rows: Sequence[EstimateRow], assumptions: Sequence[Assumptions]) -> Iterator[str]:
    """Yield what the interval of each model on each device is from, equal ones once."""
    evidence: dict[tuple[str, str], list[Evidence]] = {}
    for row, assumed in zip(rows, assumptions, strict=True):
        evidence.setdefault((row.model, row.device), []).append(assumed.basis.evidence)
    sources = {run: phrase(merged(several)) for run, several in evidence.items()}
    for source in dict.fromkeys(sources.values()):
        runs = [run for run in sources if sources[run] == source]
        named = len(runs) < len(sources)
        yield f"{', '.join(_subjects(runs, list(sources)))}: {source}." if named else _sentence(source)


def _subjects(runs: Sequence[tuple[str, str]], others: Sequence[tuple[str, str]]) -> list[str]:
    """Return runs by their devices alone, or models alone, where that tells them from others."""
    for part in (1, 0):
        names = dict.fromkeys(run[part] for run in runs)
        if sum(run[part] in names for run in others) == len(runs):
            return list(names)
    return [f"{model} on {device}" for model, device in runs]


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _link_notes(rows: Sequence[EstimateRow], assumptions: Sequence[Assumptions]) -> Iterator[str]:
    largest = max(row.devices for row in rows)
    if largest > 1:
        links = {assumed.device.name: assumed.links.describe(largest) for assumed in assumptions}
        texts = set(links.values())
        named = texts if len(texts) == 1 else [f"{name} {text}" for name, text in links.items()]
        yield f"Links: {'; '.join(named)}."


def _tf32_note(row: EstimateRow, tf32_rate: float | None) -> Iterator[str]:
    if tf32_rate is not None:
        device = row.device if row.devices == 1 else f"one {row.device}"
        rate = f"{format_measure(tf32_rate)} images/s ({row.model}, {device}, batch {row.batch})"
        yield f"By default torch runs convolutions in TF32: {rate}."


def _scaling_notes(rows: Sequence[EstimateRow]) -> Iterator[str]:
    """Yield where more devices stop to pay, for a table of one model on one device."""
    if len(rows) == 1 or len({(row.model, row.device) for row in rows}) > 1 or len({row.devices for row in rows}) == 1:
        return
    fastest = max(rows, key=lambda row: row.images_per_s)
    wasted = next((row for row in rows if row.scaling < 0.5), None)
    if fastest is not rows[-1]:
        yield f"Scaling stops: {fastest.devices} devices are the fastest."
    if wasted is not None:
        yield f"From {wasted.devices} devices on, half of the ideal rate is lost."


def _batch(rows: Sequence[EstimateRow]) -> str:
    first = rows[0]
    by_count = {row.devices: row.batch for row in rows}
    if len({(row.devices, row.batch) for row in rows}) > len(by_count):
        return ""
    if len(set(by_count.values())) > 1:
        return f"batch {round(first.images_per_s * first.step_s)} divided among all"
    return f"batch {first.batch}" + (" on each device" if rows[-1].devices > 1 else "")


def roofline_table(
    rows: Sequence[RooflineRow], *, title: str, doubts: Sequence[str], caveats: Iterable[str] = ()
) -> Table:
    """Return one row per layer, and their sum; `doubts` are those of the prediction."""
    flops, moved, time = (sum(getattr(row, field) for row in rows) for field in ("flops", "moved_bytes", "time_s"))
    totals = {"name": "total", "flops": flops, "moved_bytes": moved, "time_s": time, "flop_per_s": flops / time}
    ridge = f"The ridge is at {format_measure(rows[0].ridge)} FLOP/B: below it memory bounds a product."
    return Table(
        columns=_ROOFLINE,
        rows=[asdict(row) for row in rows],
        title=title,
        totals={**totals, "share": 1.0, "intensity": flops / moved},
        notes=(ridge,),
        doubts=tuple(doubts),
        caveats=tuple(caveats),
    )


def plans_table(
    rows: Sequence[LayerTraffic],
    plans: Sequence[PlanStep],
    *,
    images: int,
    title: str,
    basis: RateBasis,
    caveats: Iterable[str] = (),
) -> Table:
    """Return what a device sends for each layer, and below it each plan as a whole; `images` is the number per step."""
    totals = {plan.plan: plan.sent_bytes for plan in plans}
    summaries = [
        f"{_PLAN_NAMES[plan.plan]}: {format_bytes(plan.sent_bytes)} in {format_time(plan.communication_s)} of "
        f"{format_time(plan.step_s)}, {format_measure(images / plan.step_s)} images/s."
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
        notes=tuple(summaries),
        doubts=(_sentence(phrase(basis.evidence)),),
        caveats=tuple(caveats),
    )
