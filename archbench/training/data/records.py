"""Data sets: images as uint8, all of one size, with the facts that tables and charts show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Images, uint8 (N, C, H, W), and the index of each one's class, int64 (N,)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """A data set in three parts.

    `name` is its name in tables and charts, `caveat` what they show beside it, "" for nothing. `mean` and `std` are
    those of each channel over all pixels of the training images, as fractions of 255. `digest` is the SHA-256 of the
    images, labels and classes of all three parts.
    """

    name: str
    caveat: str
    classes: tuple[str, ...]
    train: Images
    validation: Images
    test: Images
    mean: tuple[float, ...]
    std: tuple[float, ...]
    digest: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        _, channels, height, width = self.train.images.shape
        return channels, height, width

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.classes)
