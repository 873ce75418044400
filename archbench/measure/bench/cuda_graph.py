"""A step as a CUDA graph, captured once and replayed with one launch; comparing both times shows launch overhead."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from archbench.measure.bench.timing import Policy, time_steps
from archbench.measure.worker.blocks import Blocks, Runnable
from archbench.measure.worker.step import Step
from archbench.units import format_measure

# A step slower than its replay by more than this factor waits for the CPU to launch its kernels.
LAUNCH_BOUND = 1.1
# torch's examples run as many eager steps before capture, until nothing is allocated for the first time.
_WARM_UP_STEPS = 3
_SHORT_S = 1.0
_LEAST_BLOCKS = 10


class Replay:
    """A captured step. It always reads the input that was captured."""

    def __init__(self, step: Step) -> None:
        # torch requires a stream other than the default one.
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch's
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP_STEPS):
                step.run_once()
        torch.cuda.current_stream().wait_stream(stream)
        # Freed inside the capture, the gradients of the warm-up would add to the peak without being used again.
        step.clear_gradients()
        # The graph has a memory pool of its own and cannot use what is cached for these streams.
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            # Kept alive: it lies in the graph's memory.
            self._output = step.run_once()

    def run_once(self) -> Any:
        """Replay the step and return its output tensor, which each replay overwrites."""
        self._graph.replay()
        return self._output

    def run_steps(self, steps: int) -> None:
        """Replay the step several times."""
        for _ in range(steps):
            self._graph.replay()


def subject_of(step: Step, *, graphs: bool) -> Runnable:
    """Return the step, or its replay if `graphs`. Raises RuntimeError if it cannot be captured."""
    return Replay(step) if graphs else step


def replay_s(step: Step, policy: Policy) -> float | None:
    """Return the time of one replay in seconds, None if the step cannot be captured."""
    # The device is warm already, and the threshold of the flag is 10%.
    short = replace(
        policy, warm_up_s=0.0, warm_up_most_s=_SHORT_S, settled_samples=0,
        least_blocks=_LEAST_BLOCKS, least_s=0.0, most_s=_SHORT_S, precision=None,
    )  # fmt: skip
    try:
        return time_steps(Blocks(Replay(step), "cuda"), short).median_s
    except RuntimeError:  # the model does something that cannot be captured, or memory is short
        return None


def launch_flags(step_s: float, replayed_s: float | None) -> tuple[str, ...]:
    """Return a flag if a step is slower than its replay by more than 10%."""
    if replayed_s is None or replayed_s <= 0 or step_s <= LAUNCH_BOUND * replayed_s:
        return ()
    return (f"launch-bound: the step takes {format_measure(step_s / replayed_s)} times its replay as a graph",)
