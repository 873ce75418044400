"""Split off a fixed, stratified part of a set of images: a function of the labels alone."""

from __future__ import annotations

import math

import numpy as np
import torch

from archbench.errors import DataError
from archbench.training.data.records import Images

# One in so many training images is used for validation.
_VALIDATION_RATIO = 10


def split(images: Images, count: int, classes: tuple[str, ...]) -> tuple[Images, Images]:
    """Return all but `count` of the images, and those, each in the original order.

    Every class contributes its proportion, rounded by the largest remainder, but at least one image; so `count` may be
    exceeded where classes are tiny. Raises DataError for a class with a single image.
    """
    labels = images.labels.numpy()
    sizes = np.bincount(labels, minlength=len(classes)).tolist()
    # RandomState's numbers never change (NEP 19); those of numpy's newer generators may.
    random = np.random.RandomState(0)
    taken = np.zeros(len(labels), dtype=bool)
    for index, share in enumerate(_shares(sizes, count)):
        if share >= sizes[index]:
            raise DataError(f"class '{classes[index]}' has {sizes[index]} training image; expected 2 or more")
        taken[random.permutation(np.flatnonzero(labels == index))[:share]] = True
    return _part(images, ~taken), _part(images, taken)


def split_for_validation(images: Images, classes: tuple[str, ...]) -> tuple[Images, Images]:
    """Return the images for training, and a tenth for validation: of CIFAR-10's 50,000 images, 500 per class."""
    return split(images, round(len(images) / _VALIDATION_RATIO), classes)


def _shares(sizes: list[int], count: int) -> list[int]:
    quotas = [count * size / sum(sizes) for size in sizes]
    shares = [max(1, math.floor(quota)) for quota in quotas]
    by_remainder = sorted(range(len(sizes)), key=lambda index: shares[index] - quotas[index])
    for index in by_remainder[: max(0, count - sum(shares))]:
        shares[index] += 1
    return shares


def _part(images: Images, mask: np.ndarray) -> Images:
    chosen = torch.from_numpy(np.flatnonzero(mask))
    return Images(images.images[chosen], images.labels[chosen])
