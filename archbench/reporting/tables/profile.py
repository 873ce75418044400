"""The table of a profile, with warnings about its quality."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import fsum
from typing import Any

from archbench.analyze.performance.layer_times import ProfileRow
from archbench.analyze.performance.roofline import Conditions
from archbench.host.machine import usable_cores
from archbench.measure.profile.profile import LayerProfile
from archbench.reporting.table import Column, Table
from archbench.store.records import Configuration
from archbench.units import format_percent, format_time

_PROFILE = (
    Column("index", "#", "plain"),
    Column("name", "Layer", "text", 0),
    Column("type", "Type", "text", 11),
    Column("calls", "Calls", "plain", 12),
    Column("time_s", "Time", "time", 1),
    Column("share", "Share", "percent", 2),
    Column("forward_s", "Forward", "time", 3),
    Column("backward_s", "Backward", "time", 4),
    Column("flops", "FLOPs", "count"),
    Column("moved_bytes", "Moved", "bytes"),
    Column("flop_per_s", "FLOP/s", "count", 5),
    Column("bytes_per_s", "B/s", "count", 6),
    Column("intensity", "FLOP/B", "float", 10),
    Column("bound", "Bound by", "text", 7),
    Column("predicted_s", "Roofline", "time", 8),
    Column("ratio", "Ratio", "measure", 9),
)
_PASSES = ("forward_s", "backward_s")
# The fraction of a step by which profiling may slow it, or noise increase its gaps, without a warning.
_TOLERATED = 0.05


@dataclass(frozen=True, slots=True)
class ProfiledModel:
    """A profile with the configuration it is of and the conditions of its roofline; `name` is the model's address."""

    name: str
    profile: LayerProfile
    configuration: Configuration
    conditions: Conditions | None


def profile_table(profiled: ProfiledModel, rows: Sequence[ProfileRow], caveats: Iterable[str] = ()) -> Table:
    """Return one row per layer, the gaps last, and their sum: the time of a step."""
    profile, config = profiled.profile, profiled.configuration
    is_training = config.mode == "train"
    how = f"{config.mode}, batch {config.batch}, {config.dtype}, {config.layout}"
    return Table(
        columns=_PROFILE if is_training else tuple(column for column in _PROFILE if column.field not in _PASSES),
        rows=[asdict(row) for row in rows],
        title=f"{profiled.name}, {how} on {config.device}",
        totals=_totals(profile.rows, profile.step_s),
        notes=(_steps_note(profile), _roofline_note(profiled.conditions)),
        doubts=tuple(_gap_doubts(profile.rows)),
        caveats=(*_warnings(profile), *caveats),
    )


def profile_document(profiled: ProfiledModel, rows: Sequence[ProfileRow]) -> dict[str, Any]:
    """Return the profile as JSON has it: the configuration, the times of a step, the rows."""
    profile, config = profiled.profile, profiled.configuration
    return {
        "model": profiled.name,
        "mode": config.mode,
        "batch": config.batch,
        "dtype": config.dtype,
        "layout": config.layout,
        "threads": config.threads or usable_cores(),
        "kind": config.kind,
        "device": config.device,
        "ceilings": None if profiled.conditions is None else profiled.conditions.device.name,
        "steps": profile.steps,
        "step_s": profile.step_s,
        "unprofiled_step_s": profile.plain_s,
        "step_gaps_s": profile.step_gaps_s,
        "doubts": list(profile.warnings),
        "layers": [
            {name: value for name, value in asdict(row).items() if config.mode == "train" or name not in _PASSES}
            for row in rows
        ],
    }


def _totals(rows: Iterable[ProfileRow], step_s: float) -> dict[str, Any]:
    """Return the row of totals: the whole step."""
    every = list(rows)
    flops, moved = (sum(getattr(row, field) or 0 for row in every) for field in ("flops", "moved_bytes"))
    passes = {name: fsum(getattr(row, name) or 0.0 for row in every) for name in _PASSES}
    predicted_s = fsum(row.predicted_s or 0.0 for row in every)
    totals: dict[str, Any] = {"name": "total", "time_s": step_s, "share": 1.0, "flops": flops, "moved_bytes": moved}
    totals |= {"flop_per_s": flops / step_s, "bytes_per_s": moved / step_s, **passes}
    if moved:
        totals["intensity"] = flops / moved
    if predicted_s:
        totals |= {"predicted_s": predicted_s, "ratio": step_s / predicted_s}
    return totals


def _steps_note(profile: LayerProfile) -> str:
    steps = "one step" if profile.steps == 1 else f"median of {profile.steps} steps"
    step, plain = format_time(profile.step_s), format_time(profile.plain_s)
    return f"A step: {step} under the profiler ({steps}), {plain} without."


def _roofline_note(conditions: Conditions | None) -> str:
    if conditions is None:
        return "No roofline: 'archbench devices --measure' measures this device."
    return f"Roofline: {conditions.device.name}, {'measured here' if conditions.device.is_measured else 'published'}."


def _gap_doubts(rows: Sequence[ProfileRow]) -> Iterable[str]:
    if rows[-1].time_s < 0:
        yield "Gaps are negative: kernels overlapped, so that their times sum to more than the step's."


def _warnings(profile: LayerProfile) -> Iterable[str]:
    """Yield the caveats of the times."""
    if profile.overhead > _TOLERATED:
        slowed = format_percent(profile.overhead)
        yield f"the step took {slowed} longer under the profiler: layers' times are too long, most of small operators"
    yield from (f"profiled steps: {warning}" for warning in profile.warnings)
    noise_s = profile.rows[-1].time_s - profile.step_gaps_s
    if noise_s > _TOLERATED * profile.step_s:
        gaps = format_time(profile.step_gaps_s)
        yield f"the gaps hold {format_time(noise_s)} of noise between steps; those of a single step are {gaps} (median)"
