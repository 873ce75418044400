"""The profile task of a worker process: time steps without torch's profiler, under it, and without it again.

All steps are synchronized. The difference between both times is the overhead of profiling, which is reported, not
subtracted.
"""

from __future__ import annotations

import functools
import time
from dataclasses import asdict
from statistics import median
from typing import Any

import torch
from torch import profiler as torch_profiler
from torch.autograd import DeviceType  # type: ignore[attr-defined]  # public, but not listed
from torch.profiler import ProfilerActivity, record_function

from archbench.measure.profile.annotate import annotated
from archbench.measure.profile.attribution import attribute
from archbench.measure.profile.events import STEP, Event, EventKind, Places
from archbench.measure.worker.channel import Channel
from archbench.measure.worker.request import Request
from archbench.measure.worker.step import Step, wait

_STEPS = 10
_WARM_UP_STEPS = 3
_WARM_UP_S = 1.0
# Warm-up, and steps before, under and after the profiler, each get a quarter of the time limit.
_PARTS = 4

# Overloads that write into a given tensor have kernels of their own, also for composite operators.
_VARIANT = "out"

# Values of torch's RecordScope.
_FUNCTION, _BACKWARD, _USER = 0, 1, 7
_NODE = "autograd::engine::evaluate_function"


def profile(request: Request, channel: Channel) -> None:
    """Send the times of each profiled step, and the seconds of each step that was not profiled.

    The arguments of the request are `places`, a `Places` in JSON, and `trace`, the path to which the profiler's own
    trace is written, or None.
    """
    kind = request.configuration.kind
    channel.send("phase", text="building")
    step = Step(request.configuration, request.seed)
    channel.send("phase", text="profiling")
    seconds = request.options.process_seconds / _PARTS
    count = _num_steps(_warm_up(step, kind, seconds), seconds)
    plain_s = [_time_s(step, kind) for _ in range(count)]
    events = _profiled(step, kind, count, request.arguments["trace"])
    plain_s += [_time_s(step, kind) for _ in range(count)]
    channel.send("phase", text="attributing")
    steps = attribute(events, Places.from_json(request.arguments["places"]), on_gpu=kind == "cuda")
    channel.send("done", steps=[asdict(times) for times in steps], plain_s=plain_s)


def _warm_up(step: Step, kind: str, seconds: float) -> float:
    """Return the median time of a step in seconds."""
    end = time.perf_counter() + min(_WARM_UP_S, seconds)
    times_s: list[float] = []
    while len(times_s) < _WARM_UP_STEPS or time.perf_counter() < end:
        times_s.append(_time_s(step, kind))
    return median(times_s)


def _num_steps(step_s: float, seconds: float) -> int:
    return max(1, min(_STEPS, int(seconds / step_s)))


def _time_s(step: Step, kind: str) -> float:
    wait(kind)
    start = time.perf_counter_ns()
    step.run_once()
    wait(kind)
    return (time.perf_counter_ns() - start) / 1e9


def _profiled(step: Step, kind: str, count: int, trace: str | None) -> list[Event]:
    """Return the events of `count` steps, after one in which the profiler warms up."""
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if kind == "cuda" else [])]
    with annotated(step.model), torch_profiler.profile(activities=activities) as profiler:
        for number in range(count + 1):
            with record_function(f"{STEP}{number}" if number else "warm-up"):
                step.run_once()
                wait(kind)
    if trace is not None:
        profiler.export_chrome_trace(trace)
    return [_event(event) for event in profiler.events() or () if _is_on_host(event)]


def _is_on_host(event: Any) -> bool:
    return event.device_type == DeviceType.CPU and not event.is_async and not _is_driver_call(event)


def _is_driver_call(event: Any) -> bool:
    """Return whether a record is not an operator but a call of the driver or the recording's own work.

    Its correlation id may equal that of an unrelated operator; before torch 2.15 it then has that operator's kernels
    too, which would be counted twice.
    """
    return event.scope == _FUNCTION and "::" not in event.name


def _event(event: Any) -> Event:
    """Return torch's record, whose times are microseconds, as an event."""
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
    """Return whether torch implements an operator only by calling others."""
    library, colons, operator = name.partition("::")
    packet = getattr(getattr(torch.ops, library), operator, None) if colons else None
    overloads = [] if packet is None else [name for name in packet.overloads() if not name.endswith(_VARIANT)]
    names = [getattr(packet, overload).name() for overload in overloads]
    # Some exist only in TorchScript and have no kernel.
    kernels = [full for full in names if torch._C._dispatch_has_kernel(full)]
    return bool(kernels) and all(
        torch._C._dispatch_has_kernel_for_dispatch_key(full, "CompositeImplicitAutograd") for full in kernels
    )
