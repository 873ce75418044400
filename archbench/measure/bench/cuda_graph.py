"""A step as a CUDA graph: captured once, replayed with one launch, and what its time says of the eager step's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from archbench.measure.bench.timing import Policy, measure
from archbench.measure.worker.step import Blocks, Runnable, Step

# The protocol's: slower than that, a step waits for the processor that launches its kernels.
LAUNCH_BOUND = 1.1
# As many eager steps as torch's own examples run before they capture: until nothing is made for the first time.
_WARM_UP_STEPS = 3
_SHORT_S = 1.0
_LEAST_BLOCKS = 10


class Replay:
    """A captured step. Its input stays the one of the capture, in the same place."""

    def __init__(self, step: Step) -> None:
        # On a stream of its own, as torch asks: the default one may not be captured.
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch's
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP_STEPS):
                step.run_once()
        torch.cuda.current_stream().wait_stream(stream)
        # What was kept for either stream is of no use to the graph, whose memory is its own.
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            # Held, for its memory is the graph's.
            self._output = step.run_once()

    def run_once(self) -> Any:
        """Replay the step and return the place of its output."""
        self._graph.replay()
        return self._output


def subject_of(step: Step, *, graphs: bool) -> Runnable:
    """Return what is timed of a step: the step, or its replay. Raises RuntimeError if it cannot be captured."""
    return Replay(step) if graphs else step


def replay_s(step: Step, policy: Policy) -> float | None:
    """Return how long a replay of the step takes, None if it cannot be captured; to be asked when all else is done."""
    # The device is warm already, and the flag is about a tenth.
    short = replace(
        policy, warm_up_s=0.0, warm_up_most_s=_SHORT_S, settled_samples=0,
        least_blocks=_LEAST_BLOCKS, least_s=0.0, most_s=_SHORT_S, precision=None,
    )  # fmt: skip
    try:
        return measure(Blocks(Replay(step), "cuda"), short).median_s
    except RuntimeError:  # whatever a model does that no graph can hold, or no memory is left for
        return None


def launch_flags(step_s: float, replayed_s: float | None) -> tuple[str, ...]:
    """Say by how much a step is slower than its replay, if it is by more than a tenth."""
    if replayed_s is None or replayed_s <= 0 or step_s <= LAUNCH_BOUND * replayed_s:
        return ()
    return (f"launch-bound: the step takes {step_s / replayed_s:.2f} times its replay as a graph",)
