"""Time building and summarizing in one warm process; print the median and the fastest of many.

python benchmarks/tracing.py [--rounds 50]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

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
    """Measure VGG-16 of the zoo and models of torchvision, compared with a bare forward pass on meta."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    rounds = parser.parse_args().rounds
    image = torch.empty(1, 3, 224, 224, device="meta")
    vgg16 = find("vgg16")  # once: finding the entry point scans all installed packages
    measure("vgg16: build and summarize", lambda: archbench.summarize(vgg16.build(), image), rounds)
    for name in ("resnet50", "resnet152", "vit_l_16"):
        with torch.device("meta"):
            model = torchvision.models.get_model(name).eval()

        def forward(model: torch.nn.Module = model) -> None:
            with torch.no_grad():
                model(image)

        def summarize(model: torch.nn.Module = model) -> None:
            archbench.summarize(model, image)

        measure(f"{name}: bare forward on meta", forward, rounds)
        measure(f"{name}: summarize", summarize, rounds)
    for operators in (1_000, 10_000, 50_000):
        start = time.perf_counter()
        archbench.summarize(Chain(operators), torch.empty(2, 3))
        time_s = time.perf_counter() - start
        print(f"a chain of {operators:6d} operators: {time_s:6.3f} s, {time_s / operators * 1e6:5.1f} µs per operator")


if __name__ == "__main__":
    main()
