"""Profile a model in a worker process and compare each layer's time with the roofline."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from archbench.analyze.performance.layer_times import PassTimes, ProfileRow, Times, profile_rows
from archbench.analyze.performance.rate_basis import rate_basis
from archbench.analyze.performance.roofline import Conditions
from archbench.errors import DeviceError, InputError, MeasurementError
from archbench.measure.bench.expectation import device_here
from archbench.measure.bench.sample_quality import spread_flags
from archbench.measure.profile.attribution import places_of
from archbench.measure.worker.client import Failure, OnPhase, run_request
from archbench.measure.worker.request import Request, RunOptions
from archbench.precision import find_precision
from archbench.store.records import Configuration
from archbench.trace.records import Trace


@dataclass(frozen=True, slots=True)
class LayerProfile:
    """The rows of a profile: medians over `steps` steps.

    `step_s` is the time of a step under the profiler, which the rows sum to, `plain_s` the time of the same process
    without it. `step_gaps_s` is the median of the steps' gaps: where steps differ, the gaps of the medians also contain
    noise. `warnings` are about the quality of the steps. `chrome_trace` is the profiler's own trace if it was wanted.
    """

    rows: tuple[ProfileRow, ...]
    steps: int
    step_s: float
    plain_s: float
    step_gaps_s: float
    warnings: tuple[str, ...]
    chrome_trace: bytes | None

    @property
    def overhead(self) -> float:
        """The fraction by which profiling slowed down a step."""
        return self.step_s / self.plain_s - 1


def conditions_here(configuration: Configuration) -> Conditions | None:
    """Return the conditions of the roofline on this machine's device, None if its ceilings are unknown."""
    device, precision = device_here(configuration.kind, configuration.threads), find_precision(configuration.dtype)
    if device is None:
        return None
    try:
        device.peak(precision.product_dtype)
    except DeviceError:
        return None
    basis = rate_basis(
        device, mode=configuration.mode, dtype=precision.name, layout=configuration.layout, is_compiled=False
    )
    return Conditions(device, precision, basis.coefficients, configuration.layout)


def profile_layers(
    configuration: Configuration,
    trace: Trace,
    conditions: Conditions | None,
    max_seconds: float,
    on_phase: OnPhase,
    *,
    wants_chrome_trace: bool = False,
) -> LayerProfile:
    """Return the profile of one configuration; `trace` is its model's, of the same mode and batch.

    Raises MeasurementError if the process fails or records no kernel of a GPU, InputError if it refuses the
    configuration.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        answer = _profile(configuration, trace, max_seconds, str(path) if wants_chrome_trace else None, on_phase)
        chrome_trace = path.read_bytes() if wants_chrome_trace else None
    steps = answer["steps"]
    if configuration.kind == "cuda":
        _require_kernels(configuration.model, steps)
    times = median_times(steps)
    return LayerProfile(
        rows=tuple(profile_rows(times, trace, conditions)),
        steps=len(steps),
        step_s=times.step_s,
        plain_s=median(answer["plain_s"]),
        step_gaps_s=median(_gaps_ns(step, configuration.mode) for step in steps) / 1e9,
        warnings=spread_flags([step["total_ns"] for step in steps]),
        chrome_trace=chrome_trace,
    )


def _profile(
    configuration: Configuration, trace: Trace, max_seconds: float, path: str | None, on_phase: OnPhase
) -> dict[str, Any]:
    arguments = {"places": places_of(trace).to_json(), "trace": path}
    request = Request("profile", configuration, RunOptions(max_seconds), arguments=arguments)
    answer = run_request(request, on_phase)
    if not isinstance(answer, Failure):
        return answer
    if answer.refusal:
        raise InputError(f"{configuration.model}: {answer.refusal}")
    raise MeasurementError(f"{configuration.model}: {answer.reason}")


def _require_kernels(model: str, steps: Sequence[Mapping[str, Any]]) -> None:
    """Raise MeasurementError if no kernel was recorded: the whole step would seem to be gaps."""
    if not any(step["rows"] or step["update_ns"] or any(step["outside"].values()) for step in steps):
        raise MeasurementError(
            f"{model}: the profiler recorded no kernel; CUPTI, which records them, is missing, restricted or in use"
        )


def _gaps_ns(step: Mapping[str, Any], mode: str) -> int:
    """Return the time of a step that is in no row."""
    spent = [*step["rows"].values(), *([step["outside"]] if mode == "train" else [])]
    rows_ns = sum(times["forward_ns"] + times["backward_ns"] for times in spent)
    return int(step["total_ns"] - rows_ns - step["update_ns"])


def median_times(steps: Sequence[Mapping[str, Any]]) -> Times:
    """Return the median of each row and pass over steps, which are `StepTimes` in JSON."""
    names = dict.fromkeys(name for step in steps for name in step["rows"])
    none = {"forward_ns": 0, "backward_ns": 0}
    return Times(
        step_s=median(step["total_ns"] for step in steps) / 1e9,
        rows={name: _medians([step["rows"].get(name, none) for step in steps]) for name in names},
        update_s=median(step["update_ns"] for step in steps) / 1e9,
        outside=_medians([step["outside"] for step in steps]),
    )


def _medians(spent: Sequence[Mapping[str, int]]) -> PassTimes:
    forward_s, backward_s = (median(times[name] for times in spent) / 1e9 for name in ("forward_ns", "backward_ns"))
    return PassTimes(forward_s, backward_s)
