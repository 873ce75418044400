"""Time blocks of steps by the clock, or on a GPU between two events."""

from __future__ import annotations

import time
from typing import Any, Protocol

import torch

from archbench.measure.worker.step import wait


class Runnable(Protocol):
    """A step, or its replay as a CUDA graph."""

    def run_once(self) -> Any:
        """Run one step."""

    def run_steps(self, steps: int) -> None:
        """Run several steps."""


class Blocks:
    """Times blocks of a step: the `Subject` of `archbench.measure.bench.timing`."""

    def __init__(self, step: Runnable, kind: str) -> None:
        self._step = step
        self._kind = kind

    def run(self, steps: int) -> float:
        """Return the time of a block of steps in seconds: between two events on a GPU, else by the clock."""
        if self._kind == "cuda":
            return self._run_between_events(steps)
        wait(self._kind)
        start = time.perf_counter_ns()
        self._step.run_steps(steps)
        wait(self._kind)
        return (time.perf_counter_ns() - start) / 1e9

    def _run_between_events(self, steps: int) -> float:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]  # torch's
        start.record()
        self._step.run_steps(steps)
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) / 1e3
