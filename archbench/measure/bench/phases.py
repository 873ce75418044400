"""The phases of a training step, each waited for: a run of its own, for waiting takes time that a step does not."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

PHASES = ("zero_grad", "forward", "loss", "backward", "step")
_LEAST_STEPS = 5
_MOST_STEPS = 200


def phase_medians_s(
    run: Callable[[Callable[[str], None]], Any],
    wait: Callable[[], None],
    most_s: float,
    clock_s: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Return the median time of each phase, in their order, over as many steps as fit; at least five, after a warm one.

    `run` runs a training step and names each phase that is over; `wait` waits for the device.
    """
    times_s: dict[str, list[float]] = {phase: [] for phase in PHASES}
    last_s = 0.0

    def over(phase: str) -> None:
        nonlocal last_s
        wait()
        now_s = clock_s()
        times_s[phase].append(now_s - last_s)
        last_s = now_s

    until_s = clock_s() + most_s
    while len(times_s["step"]) <= _LEAST_STEPS or (clock_s() < until_s and len(times_s["step"]) <= _MOST_STEPS):
        wait()
        last_s = clock_s()
        run(over)
    return {phase: statistics.median(times[1:]) for phase, times in times_s.items()}
