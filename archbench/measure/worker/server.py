"""Measure one configuration: `python -m archbench.measure.worker.server`, a request in, one answer out.

In a sweep within one process free memory shrinks, and cuDNN then picks slower convolutions. What the process says is
one JSON object a line on standard output: `phase` while it goes on, `answer` for what stands whatever comes after it,
then `done`, with what is to be added, or `oom`.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from archbench.host.clock_monitor import Sampler, clock_record, throttle_flags
from archbench.host.environment import environment, shared_flags
from archbench.host.nvml import Card, open_card
from archbench.measure.bench.cuda_graph import launch_flags, replay_s, subject_of
from archbench.measure.bench.expectation import Foresight, foresee
from archbench.measure.bench.phases import phase_medians_s
from archbench.measure.bench.timing import CPU, GPU, Measured, Policy, measure
from archbench.measure.worker.process import end_with_parent, failure
from archbench.measure.worker.request import Request, from_json
from archbench.measure.worker.step import Blocks, Runnable, Step, set_flags, wait

_LATENCY_SHARE = 0.2
_LATENCY_STEPS = 1000
_PHASES_SHARE = 0.2
# By then everything that a step keeps from one to the next, such as momentum, is there.
_MEMORY_STEPS = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What one process found. The energy is that of `energy_steps` steps, warm-up included; None is not known.

    What was foreseen is told by the first of several processes alone: for all of them it is the same.
    """

    measured: Measured
    latencies_s: tuple[float, ...]
    first_step_s: float
    peak_allocated_bytes: int | None
    peak_reserved_bytes: int | None
    energy_j: float | None
    energy_steps: int
    foreseen: Foresight | None
    flags: tuple[str, ...]
    environment: dict[str, Any]


def answer(request: Request) -> tuple[Step, Answer]:
    """Return what is measured, and of what. Raises torch.OutOfMemoryError, and whatever the model raises."""
    say("phase", what="building")
    set_flags(request)  # which the environment tells of
    at_start = {**environment(request.kind, request.seed), "max_seconds": request.seconds * request.processes}
    say("environment", **at_start)
    foreseen = foresee(request) if request.seed == 0 else None
    step = Step(request)
    _forget_peaks(request.kind)
    subject = subject_of(step, graphs=request.graphs)
    say("phase", what="measuring")
    blocks, card = Counted(Blocks(subject, request.kind)), open_card(request.kind)
    before_j = _energy_j(card)
    with Sampler(card) as sampler:
        measured = measure(blocks, _policy(request))
    energy_j = _difference(before_j, _energy_j(card))
    say("phase", what="latency")
    latencies = _latencies(subject, request, measured)
    allocated, reserved = _peaks_bytes(request.kind, step)
    return step, Answer(
        measured=measured,
        latencies_s=latencies,
        first_step_s=step.first_s,
        peak_allocated_bytes=allocated,
        peak_reserved_bytes=reserved,
        energy_j=energy_j,
        energy_steps=blocks.steps,
        foreseen=foreseen,
        flags=(*shared_flags(at_start), *throttle_flags(sampler.readings)),
        environment={**at_start, "gpu_while_measuring": clock_record(sampler.readings)},
    )


def against_a_replay(request: Request, step: Step, found: Answer) -> dict[str, Any]:
    """Return what a replay of an eager step on a GPU adds to the answer.

    It is timed when the answer is given: what cannot be captured may leave the device, or the process, in disorder.
    """
    if request.kind != "cuda" or request.graphs:
        return {}
    replayed_s = replay_s(step, _policy(request))
    return {"replay_s": replayed_s, "flags": (*launch_flags(found.measured.median_s, replayed_s), *found.flags)}


def serve(request: Request) -> None:
    """Warm up, then run a block for every line on standard input, and say how long one of its steps took."""
    blocks = Blocks(subject_of(Step(request), graphs=request.graphs), request.kind)
    policy = replace(_policy(request), least_blocks=1, least_s=0.0, most_s=0.0, precision=None, floor_blocks=1)
    steps = measure(blocks, policy).steps_per_block
    say("ready")
    for _ in sys.stdin:
        say("block", step_s=blocks.run(steps) / steps)


def phases(request: Request) -> dict[str, dict[str, float]]:
    """Return the median time of each phase of a training step."""
    say("phase", what="phases")
    step = Step(request)
    return {"phases_s": phase_medians_s(step.run_once, lambda: wait(request.kind), _PHASES_SHARE * request.seconds)}


def memory(request: Request) -> dict[str, int | None]:
    """Return what was free before three steps, and what they took; None of a device that does not tell."""
    say("phase", what=f"trying batch {request.batch}")
    free = _free_bytes(request.kind)
    step = Step(request)
    subject = subject_of(step, graphs=request.graphs)
    for _ in range(_MEMORY_STEPS):
        subject.run_once()
    wait(request.kind)
    return {"free_bytes": free, "peak_bytes": _peaks_bytes(request.kind, step)[1]}


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


def _latencies(step: Runnable, request: Request, measured: Measured) -> tuple[float, ...]:
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


def _energy_j(card: Card | None) -> float | None:
    return None if card is None else card.energy_j()


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def _free_again_bytes(kind: str) -> int | None:
    """Return what is free once what torch keeps for later is given back."""
    if kind == "cuda":
        gc.collect()
        torch.cuda.empty_cache()
    return _free_bytes(kind)


def _free_bytes(kind: str) -> int | None:
    return torch.cuda.mem_get_info()[0] if kind == "cuda" else None


def _forget_peaks(kind: str) -> None:
    """Let peaks be those of what comes: building a model takes more than running it may."""
    if kind == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _peaks_bytes(kind: str, step: Step) -> tuple[int, int] | tuple[None, None]:
    """Return the most that tensors took, and that torch took for them from the device, for a step with one input."""
    if kind != "cuda":
        return None, None
    allocated, reserved = torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
    return allocated - step.spare_bytes, reserved - step.spare_bytes


def say(event: str, **values: Any) -> None:
    """Say one thing to the process that asked."""
    print(json.dumps({"event": event, **values}), file=_CHANNEL, flush=True)


# What a model or a library prints must not get among the answers: it goes to standard error.
_CHANNEL = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")


def main() -> None:
    """Answer the request on standard input."""
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    request = from_json(sys.stdin.readline())
    if request.task != "serve":  # which reads what comes itself, and ends when nothing does
        end_with_parent()
    try:
        _do(request)
    except torch.OutOfMemoryError:
        pass  # its frames, and what they hold, are let go of before anything else is done
    except Exception as error:  # whatever a model, a compiler or a driver raises is a row of the sweep
        say("failed", reason=failure(error))
        return
    else:
        return
    say("oom", needed_bytes=foresee(request).needed_bytes, free_bytes=_free_again_bytes(request.kind))


def _do(request: Request) -> None:
    match request.task:
        case "measure":
            step, found = answer(request)
            say("answer", **asdict(found))
            say("done", **against_a_replay(request, step, found))
        case "serve":
            serve(request)
        case "phases":
            say("done", **phases(request))
        case "memory":
            say("done", **memory(request))


if __name__ == "__main__":
    main()
