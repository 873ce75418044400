"""The tasks of a worker process: measure a configuration, serve blocks of it, time its phases or try its memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from archbench.host.clock_monitor import ClockMonitor, clock_record, throttle_flags
from archbench.host.environment import environment, shared_flags
from archbench.host.nvml import open_gpu
from archbench.measure.bench.cuda_graph import launch_flags, replay_s, subject_of
from archbench.measure.bench.expectation import expect
from archbench.measure.bench.phases import phase_medians_s
from archbench.measure.bench.timing import CPU, GPU, Policy, Timing, time_steps
from archbench.measure.worker.blocks import Blocks, Runnable
from archbench.measure.worker.channel import Channel
from archbench.measure.worker.request import Request
from archbench.measure.worker.step import Step, set_flags, wait

_LATENCY_SHARE = 0.2
_LATENCY_STEPS = 1000
_PHASES_SHARE = 0.2
# After three steps everything that a step keeps for the next, such as momentum, is allocated.
_MEMORY_STEPS = 3


def measure(request: Request, channel: Channel) -> None:
    """Time the steps of a configuration and send an answer; after that, what a replay as a CUDA graph adds.

    The replay comes last because a failed capture may leave the device, or the process, in disorder. Only the first
    process of a configuration sends an expectation: it is the same for all.
    """
    configuration, options = request.configuration, request.options
    kind = configuration.kind
    channel.send("phase", text="building")
    set_flags(configuration)  # before the environment is recorded
    recorded = {**environment(kind, request.seed), "max_seconds": options.max_seconds, "start": channel.start}
    channel.send("environment", **recorded)
    expectation = expect(configuration) if request.seed == 0 else None
    step = Step(configuration, request.seed)
    _reset_peaks(kind)
    subject = subject_of(step, graphs=configuration.graphs)
    channel.send("phase", text="measuring")
    blocks, energy = CountedBlocks(Blocks(subject, kind)), Energy()
    with _monitored(kind, energy) as monitor:
        timing = time_steps(blocks, _policy(request))
    channel.send("phase", text="latency")
    latencies = _latencies(subject, request, timing)
    allocated, reserved = _peaks_bytes(kind, step)
    flags = [*shared_flags(recorded), *throttle_flags(monitor.readings)]
    channel.send(
        "answer",
        timing=asdict(timing),
        latencies_s=latencies,
        first_step_s=step.first_s,
        peak_allocated_bytes=allocated,
        peak_reserved_bytes=reserved,
        energy_j=energy.used_j,
        energy_steps=blocks.steps,
        expectation=expectation and asdict(expectation),
        flags=flags,
        environment={**recorded, "gpu_while_measuring": clock_record(monitor.readings)},
    )
    channel.send("done", **_replayed(request, step, timing, flags))


def serve(request: Request, channel: Channel) -> None:
    """Warm up, then run a block for each line of input and send the time of one of its steps."""
    configuration = request.configuration
    step = Step(configuration, request.seed)
    blocks = Blocks(subject_of(step, graphs=configuration.graphs), configuration.kind)
    warm_up = replace(_policy(request), least_blocks=1, least_s=0.0, most_s=0.0, precision=None, floor_blocks=1)
    steps = time_steps(blocks, warm_up).steps_per_block
    channel.send("ready")
    for _ in channel.lines:
        channel.send("block", step_s=blocks.run(steps) / steps)


def phases(request: Request, channel: Channel) -> None:
    """Send the median time of each phase of a training step."""
    channel.send("phase", text="phases")
    step, kind = Step(request.configuration, request.seed), request.configuration.kind
    limit_s = _PHASES_SHARE * request.options.process_seconds
    channel.send("done", phases_s=phase_medians_s(step.run_once, lambda: wait(kind), limit_s))


def memory(request: Request, channel: Channel) -> None:
    """Send the free memory before the steps, and the peak of three after the first; None where it is not reported.

    The peak leaves out the first step, in which cuDNN tries algorithms whose workspaces no later step needs.
    """
    configuration = request.configuration
    channel.send("phase", text=f"trying batch {configuration.batch}")
    free_bytes = torch.cuda.mem_get_info()[0] if configuration.kind == "cuda" else None
    step = Step(configuration, request.seed)
    _reset_peaks(configuration.kind)
    subject = subject_of(step, graphs=configuration.graphs)
    for _ in range(_MEMORY_STEPS):
        subject.run_once()
    wait(configuration.kind)
    channel.send("done", free_bytes=free_bytes, peak_bytes=_peaks_bytes(configuration.kind, step)[1])


@dataclass(slots=True)
class Energy:
    """The energy that a GPU used within a block, None if unknown."""

    used_j: float | None = None


@contextmanager
def _monitored(kind: str, energy: Energy) -> Iterator[ClockMonitor]:
    """Record the clock and the energy of the GPU, if there is one, within a block."""
    gpu = open_gpu(kind)
    before_j = None if gpu is None else gpu.energy_j()
    with ClockMonitor(gpu) as monitor:
        yield monitor
    after_j = None if gpu is None else gpu.energy_j()
    energy.used_j = None if before_j is None or after_j is None else after_j - before_j


class CountedBlocks:
    """Blocks that count the steps run, because the energy is that of all steps, including warm-up."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self.steps = 0

    def run(self, steps: int) -> float:
        """Run a block and return its time in seconds."""
        self.steps += steps
        return self._blocks.run(steps)


def _policy(request: Request) -> Policy:
    seconds = request.options.process_seconds
    policy = CPU.share(request.options.processes) if request.configuration.kind == "cpu" else GPU
    return replace(policy, most_s=seconds, warm_up_most_s=min(policy.warm_up_most_s, seconds))


def _replayed(request: Request, step: Step, timing: Timing, flags: list[str]) -> dict[str, Any]:
    """Return what a replay of an eager step on a GPU adds to the answer."""
    if request.configuration.kind != "cuda" or request.configuration.graphs:
        return {}
    replayed_s = replay_s(step, _policy(request))
    return {"replay_s": replayed_s, "flags": [*launch_flags(timing.median_s, replayed_s), *flags]}


def _latencies(step: Runnable, request: Request, timing: Timing) -> list[float]:
    """Return times of steps that are synchronized one by one, for a fifth of the time limit."""
    kind = request.configuration.kind
    end = time.perf_counter() + _LATENCY_SHARE * request.options.process_seconds
    latencies: list[float] = []
    while len(latencies) < _LATENCY_STEPS and (time.perf_counter() + timing.median_s < end or not latencies):
        wait(kind)
        start = time.perf_counter_ns()
        step.run_once()
        wait(kind)
        latencies.append((time.perf_counter_ns() - start) / 1e9)
    return latencies


def _reset_peaks(kind: str) -> None:
    """Reset the peak memory statistics: building a model may take more memory than running it."""
    if kind == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _peaks_bytes(kind: str, step: Step) -> tuple[int, int] | tuple[None, None]:
    """Return the peaks of allocated and of reserved memory, without the inputs that are not in use."""
    if kind != "cuda":
        return None, None
    allocated, reserved = torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
    return allocated - step.spare_bytes, reserved - step.spare_bytes
