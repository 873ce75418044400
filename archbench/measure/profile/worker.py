"""The process that profiles one configuration: `python -m archbench.measure.profile.worker`.

Two lines in, the request and what is to be done with it; on standard output the same
protocol as `archbench.measure.worker.server`,
one JSON object a line: `phase` while it goes on, then `done`, `oom` or `refused`.

Steps are timed without the profiler, then under it, then without it again, all waited for: the difference is what
profiling costs, and it is told, not taken off.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from dataclasses import asdict
from statistics import median
from typing import Any

import torch
from torch.autograd import DeviceType  # type: ignore[attr-defined]  # public, but not listed
from torch.profiler import ProfilerActivity, profile, record_function

from archbench.errors import ArchbenchError
from archbench.measure.profile.annotate import marked
from archbench.measure.profile.attribution import STEP, Event, EventKind, StepTimes, attribute
from archbench.measure.profile.job import Job, job_from_json
from archbench.measure.worker.request import Request, from_json
from archbench.measure.worker.server import say
from archbench.measure.worker.step import Step, wait

_STEPS = 10
_WARM_UP_STEPS = 3
_WARM_UP_S = 1.0
# Warming up, and steps before, under and after the profiler, share the time.
_PARTS = 4

# The overloads that write into a tensor that is given are registered apart, also of composite operators.
_VARIANT = "out"

# torch's numbers for what a record is of (RecordScope).
_FUNCTION, _BACKWARD, _USER = 0, 1, 7
_NODE = "autograd::engine::evaluate_function"


def profile_steps(request: Request, job: Job) -> tuple[list[StepTimes], list[float]]:
    """Return the times of each profiled step, and the seconds of each step that was not profiled."""
    say("phase", what="building")
    step = Step(request)
    say("phase", what="profiling")
    count = _affordable(_warm_up(step, request), request.seconds)
    plain = [_time_s(step, request.kind) for _ in range(count)]
    events = _profiled(step, request.kind, count, job.trace)
    plain += [_time_s(step, request.kind) for _ in range(count)]
    say("phase", what="attributing")
    return attribute(events, job.places, on_gpu=request.kind == "cuda"), plain


def _warm_up(step: Step, request: Request) -> float:
    """Return about how long a step takes."""
    until = time.perf_counter() + min(_WARM_UP_S, request.seconds / _PARTS)
    found: list[float] = []
    while len(found) < _WARM_UP_STEPS or time.perf_counter() < until:
        found.append(_time_s(step, request.kind))
    return median(found)


def _affordable(step_s: float, seconds: float) -> int:
    return max(1, min(_STEPS, int(seconds / _PARTS / step_s)))


def _time_s(step: Step, kind: str) -> float:
    wait(kind)
    start = time.perf_counter_ns()
    step.run_once()
    wait(kind)
    return (time.perf_counter_ns() - start) / 1e9


def _profiled(step: Step, kind: str, count: int, trace: str | None) -> list[Event]:
    """Return the events of some steps, and of one before them, which is no step: the profiler warms up in it."""
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if kind == "cuda" else [])]
    with marked(step.model), profile(activities=activities) as profiler:
        for number in range(count + 1):
            with record_function(f"{STEP}{number}" if number else "warm-up"):
                step.run_once()
                wait(kind)
    if trace is not None:
        profiler.export_chrome_trace(trace)
    return [_event(event) for event in profiler.events() or () if _is_on_host(event)]


def _is_on_host(event: Any) -> bool:
    return event.device_type == DeviceType.CPU and not event.is_async and not _is_of_driver(event)


def _is_of_driver(event: Any) -> bool:
    """Say whether a record is of no operator, but of a call of the driver or of what recording takes.

    Its number may be that of an operator which it has nothing to do with; before torch 2.15 it then has that one's
    kernels too, and they would be counted twice.
    """
    return event.scope == _FUNCTION and "::" not in event.name


def _event(event: Any) -> Event:
    """Return torch's record as ours; it counts in microseconds."""
    is_node = event.scope == _BACKWARD or event.name.startswith(_NODE)
    kind: EventKind = "node" if is_node else "range" if event.scope == _USER else "operator"
    return Event(
        name=event.name,
        kind=kind,
        start_ns=round(event.time_range.start * 1e3),
        end_ns=round(event.time_range.end * 1e3),
        thread=event.thread,
        sequence=event.sequence_nr,
        forward_thread=event.fwd_thread,
        kernel_ns=round(sum(kernel.duration for kernel in event.kernels) * 1e3),
        is_composite=kind == "operator" and _is_composite(event.name),
    )


@functools.cache
def _is_composite(name: str) -> bool:
    """Say whether torch has an operator of that name only as calls of others."""
    library, colons, operator = name.partition("::")
    packet = getattr(getattr(torch.ops, library), operator, None) if colons else None
    overloads = [] if packet is None else [one for one in packet.overloads() if not one.endswith(_VARIANT)]
    names = [getattr(packet, overload).name() for overload in overloads]
    # Some are only known to TorchScript, and have no kernel.
    kernels = [full for full in names if torch._C._dispatch_has_kernel(full)]
    return bool(kernels) and all(
        torch._C._dispatch_has_kernel_for_dispatch_key(full, "CompositeImplicitAutograd") for full in kernels
    )


def main() -> None:
    """Do the job on standard input."""
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    request, job = from_json(sys.stdin.readline()), job_from_json(sys.stdin.readline())
    try:
        times, plain = profile_steps(request, job)
    except torch.OutOfMemoryError:
        say("oom")
    except ArchbenchError as error:
        say("refused", reason=str(error))
    else:
        say("done", steps=[asdict(step) for step in times], plain_s=plain)


if __name__ == "__main__":
    main()
