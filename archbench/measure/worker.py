"""The process that measures one configuration: `python -m archbench.measure.worker`, a request in, one answer out.

In a sweep within one process free memory shrinks, and cuDNN then picks slower convolutions. What the process says is
one JSON object a line on standard output: `phase` while it goes on, then `done` or `oom`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from archbench.measure.engine import CPU, GPU, Measured, Policy, measure
from archbench.measure.environment import environment
from archbench.measure.foresight import foresee
from archbench.measure.request import Request, from_json
from archbench.measure.step import Blocks, Step, wait

_LATENCY_SHARE = 0.2
_LATENCY_STEPS = 1000


@dataclass(frozen=True, slots=True)
class Answer:
    """What one process found. The energy is that of `energy_steps` steps, warm-up included; None is not known."""

    measured: Measured
    latencies_s: tuple[float, ...]
    first_step_s: float
    peak_allocated_bytes: int | None
    peak_reserved_bytes: int | None
    energy_j: float | None
    energy_steps: int
    flops: int
    winograd_share: float
    predicted_images_per_s: float | None
    peak_flop_per_s: float | None
    environment: dict[str, Any]


def answer(request: Request) -> Answer:
    """Return what is measured. Raises torch.OutOfMemoryError, and whatever the model raises."""
    say("phase", what="building")
    at_start = environment(request.kind, request.seed)
    expected = foresee(request)
    step = Step(request)
    if request.kind == "cuda":
        torch.cuda.reset_peak_memory_stats()
    say("phase", what="measuring")
    blocks = Counted(Blocks(step, request.kind))
    before_j = _energy_j(request.kind)
    measured = measure(blocks, _policy(request))
    energy_j = _difference(before_j, _energy_j(request.kind))
    say("phase", what="latency")
    latencies = _latencies(step, request, measured)
    is_cuda = request.kind == "cuda"
    return Answer(
        measured=measured,
        latencies_s=latencies,
        first_step_s=step.first_s,
        peak_allocated_bytes=torch.cuda.max_memory_allocated() if is_cuda else None,
        peak_reserved_bytes=torch.cuda.max_memory_reserved() if is_cuda else None,
        energy_j=energy_j,
        energy_steps=blocks.steps,
        flops=expected.flops,
        winograd_share=expected.winograd_share,
        predicted_images_per_s=expected.images_per_s,
        peak_flop_per_s=expected.peak_flop_per_s,
        environment=at_start,
    )


def serve(request: Request) -> None:
    """Warm up, then run a block for every line on standard input, and say how long one of its steps took."""
    blocks = Blocks(Step(request), request.kind)
    policy = replace(_policy(request), least_blocks=1, least_s=0.0, most_s=0.0, precision=None, floor_blocks=1)
    steps = measure(blocks, policy).steps_per_block
    say("ready")
    for _ in sys.stdin:
        say("block", step_s=blocks.run(steps) / steps)


def _policy(request: Request) -> Policy:
    policy = CPU.share(request.processes) if request.kind == "cpu" else GPU
    return replace(policy, most_s=request.seconds, warm_up_most_s=min(policy.warm_up_most_s, request.seconds))


class Counted:
    """Blocks that count the steps that were run, for the energy is that of all of them."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self.steps = 0

    def run(self, steps: int) -> float:
        """Run a block."""
        self.steps += steps
        return self._blocks.run(steps)


def _latencies(step: Step, request: Request, measured: Measured) -> tuple[float, ...]:
    """Return the times of steps that are each waited for, in a fifth of the time that measuring may take."""
    until = time.perf_counter() + _LATENCY_SHARE * request.seconds
    found: list[float] = []
    while len(found) < _LATENCY_STEPS and (time.perf_counter() + measured.median_s < until or not found):
        wait(request.kind)
        start = time.perf_counter_ns()
        step.run_once()
        wait(request.kind)
        found.append((time.perf_counter_ns() - start) / 1e9)
    return tuple(found)


def _energy_j(kind: str) -> float | None:
    """Return what the GPU has used since its driver started, None where it does not say."""
    if kind != "cuda":
        return None
    try:
        import pynvml

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(0).uuid}")
        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3
    except (ImportError, AttributeError):
        return None
    except pynvml.NVMLError:
        return None


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def say(event: str, **values: Any) -> None:
    """Say one thing to the process that asked."""
    print(json.dumps({"event": event, **values}), file=_CHANNEL, flush=True)


# What a model or a library prints must not get among the answers: it goes to standard error.
_CHANNEL = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")


def main() -> None:
    """Answer the request on standard input."""
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    request = from_json(sys.stdin.readline())
    try:
        if request.serves:
            serve(request)
        else:
            say("done", **asdict(answer(request)))
    except torch.OutOfMemoryError:
        pass  # its frames, and what they hold, are let go of before anything else is done
    else:
        return
    free = torch.cuda.mem_get_info()[0] if request.kind == "cuda" else None
    say("oom", needed_bytes=foresee(request).needed_bytes, free_bytes=free)


if __name__ == "__main__":
    main()
