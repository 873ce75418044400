"""Measure the overhead of the benchmark: its throughput against a hand-written timed loop in the same process.

    python benchmarks/overhead.py [--models alexnet,vgg16] [--batch 8] [--rounds 7]

Benchmark and loop alternate in ABBA order, so that drift favours neither, and each returns the median of equally many
blocks of equally many steps. Prints the median of the ratios, and their minimum and maximum, which show how noisy the
machine was.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace

import torch

from archbench.host.machine import default_kind, device_name, usable_cores
from archbench.measure.bench.sweep import configurations
from archbench.measure.bench.timing import CPU, GPU, Timing, time_steps
from archbench.measure.worker.blocks import Blocks
from archbench.measure.worker.step import Step


def by_hand(step: Step, kind: str, like: Timing) -> float:
    """Return the time of a step in seconds by a plain loop: the median of as many blocks of as many steps."""
    timed = _on_gpu if kind == "cuda" else _on_cpu
    return statistics.median(timed(step, like.steps_per_block) for _ in like.samples_s)


def _on_gpu(step: Step, steps: int) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]  # torch's
    start.record()
    _run(step, steps)
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end)) / 1000 / steps


def _on_cpu(step: Step, steps: int) -> float:
    start = time.perf_counter()
    _run(step, steps)
    return (time.perf_counter() - start) / steps


def _run(step: Step, steps: int) -> None:
    """Call the model itself: what a step of the benchmark adds to that is part of its overhead."""
    model = step.model
    positional, keyword = step.arguments()
    with torch.inference_mode():
        for _ in range(steps):
            model(*positional, **keyword)


def main() -> None:
    """Print one line per model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="alexnet,vgg16")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    kind = default_kind()
    policy = replace(GPU if kind == "cuda" else CPU, least_blocks=5, least_s=0.0, most_s=5.0, precision=None)
    models = arguments.models.split(",")
    device, threads = device_name(kind), usable_cores()
    for configuration in configurations(models, kind=kind, device=device, threads=threads, batches=[arguments.batch]):
        step = Step(configuration)
        blocks = Blocks(step, kind)
        like = time_steps(blocks, policy)
        pairs = []
        for number in range(arguments.rounds):
            hand_s = by_hand(step, kind, like) if number % 2 else 0.0
            engine_s = time_steps(blocks, policy).median_s
            pairs.append((engine_s, hand_s or by_hand(step, kind, like)))
        ratios = [engine / hand for engine, hand in pairs]
        rates = [arguments.batch / statistics.median(times) for times in zip(*pairs, strict=True)]
        print(
            f"{configuration.model}: engine {rates[0]:.1f} images/s, by hand {rates[1]:.1f}; median ratio of times "
            f"{statistics.median(ratios):.4f} ({min(ratios):.4f} to {max(ratios):.4f})"
        )


if __name__ == "__main__":
    main()
