"""The number of classes of each model's paper: ten of digits and of CIFAR-10, a thousand of ImageNet."""

from __future__ import annotations


def classes_of(name: str) -> int:
    """Return the number of outputs of a zoo model by default."""
    return 10 if name.startswith("lenet") or name in ("resnet20", "resnet32") else 1000
