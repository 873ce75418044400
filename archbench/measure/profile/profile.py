"""Profile a model in a process of its own, and say of each layer what its time means."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from archbench.analyze.performance.efficiency import stated_efficiency
from archbench.analyze.performance.layer_times import PassTimes, ProfileRow, Times, profile_rows
from archbench.analyze.performance.roofline import Conditions, Layout
from archbench.errors import DeviceError, InputError, MeasurementError
from archbench.host.exit_reason import reason
from archbench.measure.bench.expectation import device_here
from archbench.measure.bench.sample_quality import spread_flags
from archbench.measure.profile.attribution import places_of
from archbench.measure.profile.job import Job
from archbench.measure.worker.process import worker
from archbench.measure.worker.request import Request
from archbench.precision import Precision
from archbench.trace.records import Trace

_WORKER = "archbench.measure.profile.worker"


@dataclass(frozen=True, slots=True)
class Profile:
    """The rows of a profile, of `steps` steps: medians of them.

    `step_s` is a step's time under the profiler, which the rows sum to, `plain_s` that of the same process without it.
    `step_gaps_s` are the gaps of single steps: where steps differ, the gaps of the medians hold the noise as well.
    `doubts` say in words what makes the steps doubtful. `chrome_trace` is the profiler's own record where it was asked
    for.
    """

    rows: tuple[ProfileRow, ...]
    steps: int
    step_s: float
    plain_s: float
    step_gaps_s: float
    doubts: tuple[str, ...]
    chrome_trace: bytes | None

    @property
    def overhead(self) -> float:
        """The part of a step's time by which profiling slowed it."""
        return self.step_s / self.plain_s - 1


def conditions_here(kind: str, threads: int, precision: Precision, layout: Layout) -> Conditions | None:
    """Return by which ceilings this machine's device is judged, None where none are known in that precision."""
    device = device_here(kind, threads)
    if device is None:
        return None
    try:
        device.peak(precision.product_dtype)
    except DeviceError:
        return None
    return Conditions(device, precision, stated_efficiency(device, is_fused=False).value, layout)


def profile(
    request: Request,
    trace: Trace,
    conditions: Conditions | None,
    on_progress: Callable[[str], None],
    *,
    wants_chrome_trace: bool = False,
) -> Profile:
    """Return the profile of one configuration; `trace` is the model's, of the same mode and batch.

    Raises MeasurementError if the process fails or sees nothing of a GPU, InputError if it refuses the configuration.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        said = _ask(request, Job(places_of(trace), str(path) if wants_chrome_trace else None), on_progress)
        chrome_trace = path.read_bytes() if wants_chrome_trace else None
    steps = said["steps"]
    if request.kind == "cuda":
        _require_kernels(request.model, steps)
    times = median_times(steps)
    return Profile(
        rows=tuple(profile_rows(times, trace, conditions)),
        steps=len(steps),
        step_s=times.step_s,
        plain_s=median(said["plain_s"]),
        step_gaps_s=median(_gaps_ns(step, request.mode) for step in steps) / 1e9,
        doubts=spread_flags([step["total_ns"] for step in steps]),
        chrome_trace=chrome_trace,
    )


def _require_kernels(model: str, steps: Sequence[Mapping[str, Any]]) -> None:
    """Raise MeasurementError if not one kernel was recorded: all of the step would seem to be gaps."""
    if not any(step["rows"] or step["update_ns"] or any(step["outside"].values()) for step in steps):
        raise MeasurementError(
            f"{model}: the profiler recorded no kernel; CUPTI, by which it sees a GPU's, is missing, barred or in use"
        )


def _gaps_ns(step: Mapping[str, Any], mode: str) -> int:
    """Return what a step's rows leave over."""
    spent = [*step["rows"].values(), *([step["outside"]] if mode == "train" else [])]
    rows_ns = sum(one["forward_ns"] + one["backward_ns"] for one in spent)
    return int(step["total_ns"] - rows_ns - step["update_ns"])


def median_times(steps: Sequence[Mapping[str, Any]]) -> Times:
    """Return the medians of steps, which are given as `StepTimes` are in JSON; each row's and pass's by itself."""
    names = dict.fromkeys(name for step in steps for name in step["rows"])
    none = {"forward_ns": 0, "backward_ns": 0}
    return Times(
        step_s=median(step["total_ns"] for step in steps) / 1e9,
        rows={name: _medians([step["rows"].get(name, none) for step in steps]) for name in names},
        update_s=median(step["update_ns"] for step in steps) / 1e9,
        outside=_medians([step["outside"] for step in steps]),
    )


def _medians(spent: Sequence[Mapping[str, int]]) -> PassTimes:
    forward_s, backward_s = (median(one[name] for one in spent) / 1e9 for name in ("forward_ns", "backward_ns"))
    return PassTimes(forward_s, backward_s)


def _ask(request: Request, job: Job, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """Return what a fresh process answers."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
        worker(errors, _WORKER) as process,
    ):
        assert process.stdin is not None, "it is a pipe"
        assert process.stdout is not None, "it is a pipe"
        with suppress(BrokenPipeError):  # it has ended; why is said below
            process.stdin.write(f"{request.to_json()}\n{job.to_json()}\n")
            process.stdin.flush()
        for line in process.stdout:
            said: dict[str, Any] = json.loads(line)
            event = said.pop("event")
            if event == "phase":
                on_progress(said["what"])
            elif event == "done":
                return said
            elif event == "oom":
                raise MeasurementError(f"{request.model}: out of memory; try a smaller --batch")
            else:
                raise InputError(f"{request.model}: {said['reason']}")
        code = process.wait()
        errors.seek(0)
        raise MeasurementError(f"{request.model}: {reason(code, errors.read())}")
