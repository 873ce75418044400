"""Time tracing in one warm process: per model, and compared with bare runs of torch on the meta device.

python benchmarks/tracing.py [--rounds 50]
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Sequence

import torch
import torchvision

import archbench
from archbench.models.address import find


def measure(name: str, job: Callable[[], object], rounds: int) -> None:
    """Run `job` repeatedly and print its times."""
    for _ in range(3):
        job()
    times_ms = []
    for _ in range(rounds):
        start = time.perf_counter()
        job()
        times_ms.append((time.perf_counter() - start) * 1e3)
    print(f"{name:55s} median {statistics.median(times_ms):7.2f} ms, fastest {min(times_ms):7.2f} ms")


def compare(name: str, rounds: int) -> None:
    """Print the CPU time of summaries of a torchvision model, and its ratio to bare runs of the model on meta."""
    with torch.device("meta"):
        model = torchvision.models.get_model(name)
    image = torch.empty(2, 3, 224, 224, device="meta")

    def forward() -> None:
        with torch.no_grad():
            model.eval()(image)

    def step() -> None:
        model.train()(image).sum().backward()
        model.zero_grad()

    jobs = (
        forward,
        lambda: archbench.summarize(model, image),
        step,
        lambda: archbench.summarize(model, image, mode="train"),
    )
    bare_eval, ours_eval, bare_train, ours_train = cpu_times_ms(jobs, rounds)
    print(
        f"{name:18s} {ours_eval:5.1f} ms {ours_eval / bare_eval:8.2f} "
        f"{ours_train:5.1f} ms {ours_train / bare_train:8.2f}"
    )


def cpu_times_ms(jobs: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Return the median CPU time of each job; they take turns, and start with an equally clean heap."""
    times: list[list[float]] = [[] for _ in jobs]
    for number in range(rounds + 1):
        for job, own in zip(jobs, times, strict=True):
            gc.collect()
            start = time.process_time()
            job()
            if number:  # the first is a warm-up
                own.append((time.process_time() - start) * 1e3)
    return list(map(statistics.median, times))


class Chain(torch.nn.Module):
    """A sequence of `operators` ReLUs."""

    def __init__(self, operators: int) -> None:
        super().__init__()
        self.operators = operators

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply all of them to `x`."""
        for _ in range(self.operators):
            x = x.relu()
        return x


def main() -> None:
    """Measure VGG-16 of the zoo, models of torchvision beside bare runs, and long chains of operators."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    rounds = parser.parse_args().rounds
    image = torch.empty(1, 3, 224, 224, device="meta")
    vgg16 = find("vgg16")  # once: finding the entry point scans all installed packages
    measure("vgg16: build and summarize", lambda: archbench.summarize(vgg16.build(), image), rounds)
    print(f"{'CPU time, batch 2':18s} {'eval':>8s} {'/ bare':>8s} {'train':>8s} {'/ bare':>8s}")
    for name in ("resnet50", "efficientnet_b0", "vit_b_16", "swin_t"):
        compare(name, max(rounds // 5, 3))
    for operators in (1_000, 10_000, 50_000):
        start = time.perf_counter()
        archbench.summarize(Chain(operators), torch.empty(2, 3))
        time_s = time.perf_counter() - start
        print(f"a chain of {operators:6d} operators: {time_s:6.3f} s, {time_s / operators * 1e6:5.1f} µs per operator")


if __name__ == "__main__":
    main()
