"""Images as they are kept: uint8, all of one size, with what tables and charts say about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Images of uint8, (N, C, H, W), and the index of each one's class, int64, (N,)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """What models are trained, chosen and tested on.

    `name` is how tables and charts call it, `caveat` what they say beside it, "" if nothing. `mean` and `std` are of
    each channel over all pixels of the training images, as fractions of 255. `digest` is the SHA-256 of the images,
    labels and classes of all three parts.
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
        """How many classes there are."""
        return len(self.classes)
