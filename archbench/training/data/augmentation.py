"""Change training images a little each time they are seen: a shifted crop, a mirror image, a shift of colour.

- crop: the image is continued on all sides by an eighth of its size, 4 pixels at 32, by reflection (no edge that the
  data never has, unlike zeros), and a part of its own size is cut out at random.
- flip: half of the images are mirrored, left to right.
- color: a multiple of each principal component of the training pixels' colours is added to all pixels of an image, the
  eigenvalue times a number of mean 0 and deviation 0.1 (Krizhevsky et al., 2012, section 4.1), of colours from 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Generator, Tensor

from archbench.errors import UsageError, nearest
from archbench.training.data.records import Images

_PARTS = ("crop", "flip", "color")
AUGMENTATIONS = ("none", *("+".join(parts) for count in (1, 2, 3) for parts in combinations(_PARTS, count)))

_COLOR_DEVIATION = 0.1
_CROP_PART = 8

# Products of pixels are summed over so many images at a time, to need little memory.
_CHUNK = 1024


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What is done to training images."""

    name: str
    crop: bool
    flip: bool
    color: bool


@dataclass(frozen=True, slots=True)
class Draws:
    """What was drawn for n images: how far down and right each crop begins, int64 (n,); which are mirrored, bool (n,).

    `colors` are the multiples of the principal components, float32 (n, C).
    """

    tops: Tensor
    lefts: Tensor
    flips: Tensor
    colors: Tensor

    def part(self, chosen: slice) -> Draws:
        """Return what was drawn for some of the images."""
        return Draws(self.tops[chosen], self.lefts[chosen], self.flips[chosen], self.colors[chosen])


def find_augmentation(name: str) -> Augmentation:
    """Return the augmentation of that name, its parts in any order. Raises UsageError, naming the nearest."""
    parts = [] if name == "none" else name.split("+")
    known = "+".join(part for part in _PARTS if part in parts) or "none"
    if set(parts) - set(_PARTS) or len(set(parts)) < len(parts):
        hint = nearest(name, AUGMENTATIONS) or f"; there are none, or any of {', '.join(_PARTS)} joined by +"
        raise UsageError(f"'{name}' is no augmentation{hint}")
    return Augmentation(known, *(part in parts for part in _PARTS))


def padding(length: int) -> int:
    """Return by how many pixels an image is continued at each end of a side of that length."""
    return length // _CROP_PART


def draw(generator: Generator, count: int, shape: tuple[int, int, int]) -> Draws:
    """Return what to do with `count` images of a shape (C, H, W).

    Everything is drawn, whatever will be used: `crop` and `crop+flip` then cut out the same.
    """
    channels, *sides = shape
    tops, lefts = (torch.randint(2 * padding(side) + 1, (count,), generator=generator) for side in sides)
    flips = torch.rand(count, generator=generator) < 0.5
    return Draws(tops, lefts, flips, _COLOR_DEVIATION * torch.randn(count, channels, generator=generator))


def sources_of_pixels(augmentation: Augmentation, draws: Draws, height: int, width: int) -> Tensor:
    """Return which pixel of its image, counted row by row, each pixel of the result is: int64 (n, H·W)."""
    rows, columns = torch.arange(height).expand(len(draws.tops), -1), torch.arange(width).expand(len(draws.tops), -1)
    if augmentation.flip:
        columns = torch.where(draws.flips[:, None], columns.flip(1), columns)
    if augmentation.crop:
        rows = _reflected(rows + draws.tops[:, None] - padding(height), height)
        columns = _reflected(columns + draws.lefts[:, None] - padding(width), width)
    return (rows[:, :, None] * width + columns[:, None, :]).flatten(1)


def principal_colors(images: Images) -> Tensor:
    """Return the principal components of the pixels' colours, from 0 to 1, times their eigenvalues: float32 (C, C).

    A row is a component; its largest entry is positive, so that all machines agree on the sign.
    """
    channels = images.images.shape[1]
    count = images.images[:, 0].numel()
    total, products = torch.zeros(channels, dtype=torch.float64), torch.zeros(channels, channels, dtype=torch.float64)
    for chunk in images.images.split(_CHUNK):  # type: ignore[no-untyped-call]  # torch leaves it without types
        pixels = chunk.transpose(0, 1).flatten(1).to("cpu", torch.float64) / 255
        total += pixels.sum(dim=1)
        products += pixels @ pixels.T
    mean = total / count
    values, vectors = torch.linalg.eigh(products / count - torch.outer(mean, mean))
    components: Tensor = vectors.T
    largest = components.gather(1, components.abs().argmax(dim=1, keepdim=True))
    scaled: Tensor = values[:, None] * components * largest.sign()
    return scaled.float()


def _reflected(places: Tensor, length: int) -> Tensor:
    """Return places before 0 and beyond the end as those at the same distance inside; the end itself is not doubled."""
    return (length - 1) - ((length - 1) - places.abs()).abs()
