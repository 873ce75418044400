"""Time the phases of a training step. Each is synchronized, which takes extra time, so this is a run of its own."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

PHASES = ("zero_grad", "forward", "loss", "backward", "step")
_MIN_STEPS = 5
_MAX_STEPS = 200


def phase_medians_s(
    run: Callable[[Callable[[str], None]], Any],
    wait: Callable[[], None],
    limit_s: float,
    clock_s: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Return the median time of each phase over as many steps as fit in the limit, at least five; the first is warm-up.

    `run` runs a training step and calls its argument with the name of each phase at its end; `wait` synchronizes the
    device.
    """
    times_s: dict[str, list[float]] = {phase: [] for phase in PHASES}
    last_s = 0.0

    def end_phase(phase: str) -> None:
        nonlocal last_s
        wait()
        now_s = clock_s()
        times_s[phase].append(now_s - last_s)
        last_s = now_s

    end_s = clock_s() + limit_s
    while len(times_s["step"]) <= _MIN_STEPS or (clock_s() < end_s and len(times_s["step"]) <= _MAX_STEPS):
        wait()
        last_s = clock_s()
        run(end_phase)
    return {phase: statistics.median(times[1:]) for phase, times in times_s.items()}
