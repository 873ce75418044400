"""Measure how much data loading adds to a training step, and how fast images are resized.

    python benchmarks/data_cost.py [--batch 128] [--rounds 7] [--device cpu] [--dtype fp32] [--layout nchw]

A step fed by `Batches` and the same step on one batch in memory alternate, fed-fixed-fixed-fed, so that drift favours
neither. Prints the images/s of both, the share of the step that feeding adds, and the time to make a batch alone. Then
prints the images/s of batches resized from 32×32 to 224×224, compared with a usual loader, which resizes, converts and
normalises image by image, and with PIL's resizing alone.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import cross_entropy
from torchvision import transforms

from archbench.precision import find_precision
from archbench.training.data.batches import Batches
from archbench.training.data.records import Images
from archbench.training.model.adapt import adapt

_CASES = (("alexnet_owt", 64, "crop+flip"), ("vgg16?head=small", 32, "crop+flip"), ("lenet", 32, "none"))
_SHAPE = (3, 32, 32)
_NUM_IMAGES, _NUM_CLASSES = 10_000, 10
_BLOCK_S = 0.5

Action = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Options:
    """The configuration of the benchmark."""

    batch: int
    rounds: int
    device: str
    dtype: torch.dtype
    layout: torch.memory_format

    def batches(self, images: Images, shape: tuple[int, int, int], augmentation: str) -> Batches:
        """Return batches of the images for a model of that input shape."""
        channels, height, width = shape
        return Batches(
            images, batch=self.batch, mean=[0.5] * 3, std=[0.25] * 3, size=(height, width), channels=channels,
            device=self.device, dtype=self.dtype, memory_format=self.layout, augmentation=augmentation,
        )  # fmt: skip

    def seconds(self, function: Action, times: int) -> float:
        """Return the time of `times` calls in seconds, with the device synchronised."""
        self._wait()
        start = time.perf_counter()
        for _ in range(times):
            function()
        self._wait()
        return time.perf_counter() - start

    def _wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


def compare_in_turns(
    options: Options, first: Callable[[], object], second: Callable[[], object]
) -> tuple[float, float]:
    """Return the median time per call of each in seconds, over rounds of first, second, second, first."""
    for function in (first, second):
        options.seconds(function, 2)
    once = min(options.seconds(first, 1), options.seconds(second, 1))
    times = max(1, round(_BLOCK_S / once))
    firsts, seconds = [], []
    for _ in range(options.rounds):
        a, b, c, d = (options.seconds(function, times) / times for function in (first, second, second, first))
        firsts.append((a + d) / 2)
        seconds.append((b + c) / 2)
    return statistics.median(firsts), statistics.median(seconds)


def data_cost(options: Options, images: Images, address: str, size: int, augmentation: str) -> str:
    """Return the figures of one model as a line."""
    adapted = adapt(address, data_shape=_SHAPE, num_classes=_NUM_CLASSES, size=size)
    model = adapted.model.to(options.device, options.dtype).to(memory_format=options.layout).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4)
    batches = options.batches(images, adapted.input_shape, augmentation)
    places = (divmod(step, batches.steps_per_epoch) for step in range(10**9))
    fixed = batches.batch_at(0, 0)

    def step(batch: tuple[Tensor, Tensor]) -> None:
        optimizer.zero_grad()
        loss: Any = cross_entropy(model(batch[0]).float(), batch[1])
        loss.backward()
        optimizer.step()

    fed_s, fixed_s = compare_in_turns(options, lambda: step(batches.batch_at(*next(places))), lambda: step(fixed))
    alone_s = statistics.median(options.seconds(lambda: batches.batch_at(*next(places)), 5) / 5 for _ in range(9))
    return (
        f"{address}@{size}, {augmentation}: {options.batch / fed_s:,.0f} images/s fed, {options.batch / fixed_s:,.0f} "
        f"from memory; data adds {100 * (1 - fixed_s / fed_s):.1f}% of a step, a batch alone takes "
        f"{1000 * alone_s:.2f} ms, {100 * alone_s / fed_s:.1f}%"
    )


def resizing(options: Options, images: Images) -> str:
    """Return a comparison with the usual loader, and one with PIL's resizing alone."""
    batches = options.batches(images, (3, 224, 224), "none")
    arrays = [image.permute(1, 2, 0).numpy() for image in images.images[: options.batch]]
    resize = transforms.Resize((224, 224))  # bilinear
    usual = transforms.Compose([resize, transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.25] * 3)])

    def loader() -> Tensor:
        batch = torch.stack([usual(Image.fromarray(array)) for array in arrays])
        return batch.to(options.device, options.dtype, memory_format=options.layout)

    def resizing_alone() -> list[Image.Image]:
        return [resize(Image.fromarray(array)) for array in arrays]

    lines = []
    for name, by_pil in (("a loader that resizes with PIL", loader), ("PIL's resizing alone", resizing_alone)):
        ours_s, pil_s = compare_in_turns(options, lambda: batches.batch_at(0, 0), by_pil)
        lines.append(
            f"32×32 to 224×224: Batches {options.batch / ours_s:,.0f} images/s, {name} {options.batch / pil_s:,.0f}: "
            f"{pil_s / ours_s:.2f} times"
        )
    return "\n".join(lines)


def main() -> None:
    """Print one line per model, and two on resizing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", default="fp32")
    parser.add_argument("--layout", choices=("nchw", "nhwc"), default="nchw")
    arguments = parser.parse_args()
    layout = torch.channels_last if arguments.layout == "nhwc" else torch.contiguous_format
    dtype = find_precision(arguments.dtype).model_dtype
    options = Options(arguments.batch, arguments.rounds, arguments.device, dtype, layout)
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (_NUM_IMAGES, *_SHAPE), dtype=torch.uint8)
    images = Images(pixels, torch.randint(_NUM_CLASSES, (_NUM_IMAGES,)))
    print(f"torch {torch.__version__}, {arguments.device}, {torch.get_num_threads()} threads, {arguments.dtype}, "
          f"{arguments.layout}, batch {arguments.batch}")  # fmt: skip
    for address, size, augmentation in _CASES:
        print(data_cost(options, images, address, size, augmentation), flush=True)
    print(resizing(options, images))


if __name__ == "__main__":
    main()
