"""Random augmentation of training images: crop, flip and colour shift.

- crop: the image is padded on all sides by an eighth of its size, 4 pixels at 32, by reflection (zeros would add edges
  that the data does not have), and cropped to its size at a random position.
- flip: half of the images are mirrored, left to right.
- color: a multiple of each principal component of the training pixels' colours, from 0 to 1, is added to all pixels of
  an image: the eigenvalue times a normal number of standard deviation 0.1 (Krizhevsky et al., 2012, section 4.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Generator, Tensor

from archbench.errors import UsageError, nearest
from archbench.training.data.records import Images
from archbench.training.data.transfer import send

_PARTS = ("crop", "flip", "color")
AUGMENTATIONS = ("none", *("+".join(parts) for count in (1, 2, 3) for parts in combinations(_PARTS, count)))

_COLOR_DEVIATION = 0.1
_CROP_PART = 8

# Products of pixels are summed over so many images at a time, to save memory.
_CHUNK = 1024


@dataclass(frozen=True, slots=True)
class Augmentation:
    """The augmentations that are applied to training images."""

    name: str
    crop: bool
    flip: bool
    color: bool


@dataclass(frozen=True, slots=True)
class Draws:
    """Random numbers for n images: the offset of each crop, int64 (n,), and which are mirrored, bool (n,).

    `colors` are the multiples of the principal components, float32 (n, C).
    """

    tops: Tensor
    lefts: Tensor
    flips: Tensor
    colors: Tensor

    def part(self, chosen: slice) -> Draws:
        """Return the numbers for some of the images."""
        return Draws(self.tops[chosen], self.lefts[chosen], self.flips[chosen], self.colors[chosen])

    def positions_on(self, device: torch.device) -> Draws:
        """Return the numbers with offsets and flips on a device, sent in one copy; `colors` stay."""
        if device == self.tops.device:
            return self
        tops, lefts, flips = send(torch.stack((self.tops, self.lefts, self.flips.long())), device)
        return Draws(tops, lefts, flips.bool(), self.colors)


def find_augmentation(name: str) -> Augmentation:
    """Return the augmentation of that name, its parts in any order. Raises UsageError, naming the nearest."""
    parts = [] if name == "none" else name.split("+")
    known = "+".join(part for part in _PARTS if part in parts) or "none"
    if set(parts) - set(_PARTS) or len(set(parts)) < len(parts):
        hint = nearest(name, AUGMENTATIONS)
        raise UsageError(f"{{augment}} is not none, or any of {', '.join(_PARTS)} joined by +{hint}", augment=name)
    return Augmentation(known, *(part in parts for part in _PARTS))


def padding(length: int) -> int:
    """Return the padding at each end of a side of that length, in pixels."""
    return length // _CROP_PART


def draw(generator: Generator, count: int, shape: tuple[int, int, int]) -> Draws:
    """Draw the random numbers for `count` images of a shape (C, H, W).

    All are drawn, whichever are used: `crop` and `crop+flip` then make the same crops.
    """
    channels, *sides = shape
    tops, lefts = (torch.randint(2 * padding(side) + 1, (count,), generator=generator) for side in sides)
    flips = torch.rand(count, generator=generator) < 0.5
    return Draws(tops, lefts, flips, _COLOR_DEVIATION * torch.randn(count, channels, generator=generator))


def source_rows_and_columns(augmentation: Augmentation, draws: Draws, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return the source row of each row of the result, int64 (n, H), and the source column of each column (n, W)."""
    device, shape = draws.tops.device, (len(draws.tops), -1)
    rows, columns = (torch.arange(side, device=device).expand(shape) for side in (height, width))
    if augmentation.flip:
        columns = torch.where(draws.flips[:, None], columns.flip(1), columns)
    if augmentation.crop:
        rows = _reflected(rows + (draws.tops[:, None] - padding(height)), height)
        columns = _reflected(columns + (draws.lefts[:, None] - padding(width)), width)
    return rows, columns


def principal_colors(images: Images) -> Tensor:
    """Return the principal components of the pixels' colours, from 0 to 1, times their eigenvalues: float32 (C, C).

    Each row is a component, with its largest entry positive, so that the sign is the same on all machines.
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


def _reflected(positions: Tensor, length: int) -> Tensor:
    """Reflect positions before 0 and beyond the end into the range, without repeating the edge."""
    return (length - 1) - ((length - 1) - positions.abs()).abs()
