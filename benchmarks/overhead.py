"""What the measuring engine adds: its throughput against a hand-written timed loop, in the same process and state.

    python benchmarks/overhead.py [--models alexnet,vgg16] [--batch 8] [--rounds 7]

Engine and loop take turns, so that what drifts favours neither. Prints the ratio of the medians of each model.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace

from archbench.measure.engine import CPU, GPU, measure
from archbench.measure.machine import default_kind, usable_cores
from archbench.measure.request import Request
from archbench.measure.step import Blocks, Step, wait

_STEPS = 5


def by_hand(step: Step, kind: str) -> float:
    """Return the seconds of a step by the plainest loop."""
    wait(kind)
    start = time.perf_counter()
    for _ in range(_STEPS):
        step.run_once()
    wait(kind)
    return (time.perf_counter() - start) / _STEPS


def main() -> None:
    """Print one line a model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="alexnet,vgg16")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    kind = default_kind()
    policy = replace(GPU if kind == "cuda" else CPU, least_blocks=5, least_s=0.0, most_s=5.0, precision=None)
    for model in arguments.models.split(","):
        request = Request(
            model=model, inputs=(), kind=kind, mode="eval", batch=arguments.batch, dtype="fp32", layout="nchw",
            compiled=False, graphs=False, threads=usable_cores(), processes=1, seconds=5.0,
        )  # fmt: skip
        step = Step(request)
        blocks = Blocks(step, kind)
        pairs = [(measure(blocks, policy).median_s, by_hand(step, kind)) for _ in range(arguments.rounds)]
        ratio = statistics.median(engine / hand for engine, hand in pairs)
        rates = [arguments.batch / statistics.median(times) for times in zip(*pairs, strict=True)]
        print(f"{model}: engine {rates[0]:.1f} images/s, by hand {rates[1]:.1f}; median ratio of times {ratio:.4f}")


if __name__ == "__main__":
    main()
