"""Assemble the parts of a data set, and compute its mean, standard deviation and digest."""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor

from archbench.training.data.records import Data, Images

_NUM_LEVELS = 256

# Pixels of so many images are counted at a time: counting takes eight times their memory.
_CHUNK = 1024


def assemble(
    name: str, caveat: str, classes: tuple[str, ...], *, train: Images, validation: Images, test: Images
) -> Data:
    """Return the data set with these three parts."""
    mean, std = mean_and_std(train)
    digest = _digest(classes, train, validation, test)
    return Data(name, caveat, classes, train, validation, test, mean, std, digest)


def mean_and_std(images: Images) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and standard deviation of each channel over all pixels, as fractions of 255, from exact sums.

    The standard deviation of a constant channel is returned as 1, so that dividing by it changes nothing.
    """
    levels, values = _levels(images), torch.arange(_NUM_LEVELS)
    count = len(images) * images.images.shape[2:].numel()
    totals: list[int] = (levels * values).sum(dim=1).tolist()
    squares: list[int] = (levels * values.square()).sum(dim=1).tolist()
    # n·Σx² − (Σx)² in exact integers: no cancellation, however little a channel varies.
    stds = (math.sqrt(count * square - total * total) / count for total, square in zip(totals, squares, strict=True))
    return tuple(total / count / 255 for total in totals), tuple(std / 255 or 1.0 for std in stds)


def _levels(images: Images) -> Tensor:
    """Return the histogram of each channel over the values 0 to 255: int64, (C, 256)."""
    channels = images.images.shape[1]
    levels = torch.zeros((channels, _NUM_LEVELS), dtype=torch.int64)
    for start in range(0, len(images), _CHUNK):
        chunk = images.images[start : start + _CHUNK]
        for channel in range(channels):
            levels[channel] += torch.bincount(chunk[:, channel].flatten(), minlength=_NUM_LEVELS)
    return levels


def _digest(classes: tuple[str, ...], *parts: Images) -> str:
    digest = hashlib.sha256("\0".join(classes).encode())
    for part in parts:
        digest.update(repr(tuple(part.images.shape)).encode())
        digest.update(part.images.contiguous().numpy().data)
        digest.update(part.labels.contiguous().numpy().data)
    return digest.hexdigest()
