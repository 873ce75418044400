"""Measure the overhead of the training loop: its CPU time against a hand-written loop, in one process.

    python benchmarks/training_loop.py [--models lenet,lenet:crop+flip] [--batch 64] [--blocks 60]

`crop+flip` is an augmentation, `@64` a size. The hand-written loop selects, normalises and resizes the same images,
and has the same model, loss, clipping and optimizer; it augments by padding each batch and slicing each image where the
training augments (`bare` has no augmentation at all). Blocks of the loops alternate, and a low percentile of each is
compared, because other processes on the machine only ever add time. On a GPU the time is that of the wall clock.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, pad

from archbench.host.machine import default_kind, usable_cores
from archbench.precision import find_precision
from archbench.training.data.batches import Batches
from archbench.training.data.records import Images
from archbench.training.learner import Learner
from archbench.training.model.adapt import adapt
from archbench.training.recipes import EQUAL

_IMAGES, _SIDE, _PERCENTILE = 4096, 32, 10
_BLOCK_S = 0.1


class PlainLoop:
    """The loop that a user would write for a model and images on its device."""

    def __init__(self, model: nn.Module, images: Tensor, labels: Tensor, size: int, batch: int, augment: bool) -> None:
        self._model, self._images, self._labels = model.train(), images, labels
        self._size, self._batch, self._augment = size, batch, augment
        self._mean = torch.full((1, 3, 1, 1), 0.5, device=images.device)
        self._std = torch.full((1, 3, 1, 1), 0.25, device=images.device)
        self._optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
        self._order, self._step = torch.randperm(len(images), device=images.device), 0

    def step(self) -> None:
        """Make one step."""
        start = self._step * self._batch % (len(self._images) - self._batch + 1)
        chosen = self._order[start : start + self._batch]
        pixels = self._images[chosen]
        if self._augment:
            pixels = _augmented(pixels)
        inputs = (pixels.float() / 255 - self._mean) / self._std
        if self._size != inputs.shape[-1]:
            inputs = interpolate(inputs, size=(self._size, self._size), mode="bilinear")
        self._optimizer.zero_grad()
        loss = cross_entropy(self._model(inputs), self._labels[chosen])
        loss.backward()  # type: ignore[no-untyped-call]  # torch's
        nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimizer.step()
        self._step += 1


def _augmented(pixels: Tensor) -> Tensor:
    side = pixels.shape[-1]
    margin = side // 8
    padded = pad(pixels, (margin,) * 4, mode="reflect")
    tops, lefts = torch.randint(2 * margin + 1, (2, len(pixels))).tolist()
    flips = (torch.rand(len(pixels)) < 0.5).to(pixels.device)
    crops = [
        image[:, top : top + side, left : left + side] for image, top, left in zip(padded, tops, lefts, strict=True)
    ]
    cropped = torch.stack(crops)
    return torch.where(flips[:, None, None, None], cropped.flip(3), cropped)


def compare(name: str, batch: int, blocks: int, device: str) -> dict[str, float]:
    """Return the times of one step in seconds: `ours`, `plain` and `bare`."""
    address, _, augmentation = name.partition(":")
    model_name, _, size = address.partition("@")
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (_IMAGES, 3, _SIDE, _SIDE), dtype=torch.uint8, generator=generator)
    labels = torch.randint(10, (_IMAGES,), generator=generator)
    side = int(size or _SIDE)
    model = adapt(model_name, data_shape=(3, _SIDE, _SIDE), num_classes=10, size=side).model.to(device)
    batches = Batches(
        Images(pixels, labels), batch=batch, mean=[0.5] * 3, std=[0.25] * 3, size=(side, side), channels=3,
        device=device, augmentation=augmentation or "none",
    )  # fmt: skip
    precision = find_precision("fp32")
    learner = Learner(deepcopy(model), EQUAL, batches, steps=10**6, precision=precision, device=device)
    on_device = pixels.to(device), labels.to(device)
    plain, bare = (
        PlainLoop(deepcopy(model), *on_device, side, batch, augment=augment) for augment in (augmentation != "", False)
    )
    loops: dict[str, Callable[[], object]] = {"ours": learner.advance, "plain": plain.step, "bare": bare.step}
    return _low_times_s(loops, blocks, device)


def _low_times_s(loops: dict[str, Callable[[], object]], blocks: int, device: str) -> dict[str, float]:
    """Return a low percentile of each loop's time a step, from blocks that alternate."""
    steps = max(1, round(_BLOCK_S / min(_block_s(step, 3, device) for step in loops.values())))
    samples: dict[str, list[float]] = {name: [] for name in loops}
    for number in range(blocks):
        for name in sorted(loops, reverse=bool(number % 2)):
            samples[name].append(_block_s(loops[name], steps, device))
    return {name: sorted(times)[len(times) * _PERCENTILE // 100] for name, times in samples.items()}


def _block_s(step: Callable[[], object], steps: int, device: str) -> float:
    """Return the time of a step in a block: CPU time on a CPU, else wall time to the end of the device's work."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    start = clock()
    for _ in range(steps):
        step()
    if device == "cuda":
        torch.cuda.synchronize()
    return (clock() - start) / steps


def main() -> None:
    """Print one line per model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="lenet,lenet:crop+flip")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=60)
    parser.add_argument("--threads", type=int, default=usable_cores())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for name in arguments.models.split(","):
        times = compare(name, arguments.batch, arguments.blocks, default_kind())
        print(
            f"{name}: {times['ours'] * 1e3:.3f} ms a step, {times['ours'] / times['plain']:.3f} of a plain loop, "
            f"{times['ours'] / times['bare']:.3f} of one without augmentation"
        )


if __name__ == "__main__":
    main()
