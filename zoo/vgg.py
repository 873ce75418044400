"""VGG: K. Simonyan, A. Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, 2014.

The configurations are the columns of the paper's table 1. A number is a 3×3 convolution with that many filters, a
string such as "256x1" one with a 1×1 kernel, "M" a 2×2 max pooling.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from zoo.blocks import Activation, BatchNorm, Conv, Dropout, Linear, Pool, ResponseNorm, Row, sequence
from zoo.card import Card, described_by
from zoo.initialisation import initialise, xavier

_PAPER = "Simonyan, Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition, 2014 (ICLR 2015)"
_INPUT = (3, 224, 224)

CONFIGURATIONS: dict[str, tuple[int | str, ...]] = {
    "A": (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"),
    "B": (64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"),
    "C": (64, 64, "M", 128, 128, "M", 256, 256, "256x1", "M", 512, 512, "512x1", "M", 512, 512, "512x1", "M"),
    "D": (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"),
    "E": (64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512, 512, 512, 512, "M"),
}  # fmt: skip


def _features(configuration: str, norm: str | None) -> Iterator[Row]:
    stage, place = 1, 1
    for entry in CONFIGURATIONS[configuration]:
        if entry == "M":
            yield Pool(f"pool{stage}", 2, 2)
            stage, place = stage + 1, 1
            continue
        filters, kernel = (int(n) for n in f"{entry}x3".split("x")[:2])
        suffix = f"{stage}_{place}"
        yield Conv(f"conv{suffix}", filters, kernel, padding=kernel // 2)
        if norm == "batch":
            yield BatchNorm(f"bn{suffix}")
        yield Activation(f"relu{suffix}")
        if norm == "response" and suffix == "1_1":
            yield ResponseNorm("norm1_1")
        place += 1


def _vgg(configuration: str, num_classes: int, init: str, norm: str | None = None) -> nn.Module:
    classifier = (
        Linear("fc6", 4096),
        Activation("relu6"),
        Dropout("drop6"),
        Linear("fc7", 4096),
        Activation("relu7"),
        Dropout("drop7"),
        Linear("fc8", num_classes),
    )
    table = (*_features(configuration, norm), *classifier)
    # The initialisation that the authors found, after submission, to need no pre-training (section 3.1).
    return initialise(sequence(table, _INPUT), init, xavier)


def _card(
    title: str, column: str, error: float, protocol: str, year: int = 2014, differences: str = "None known."
) -> Card:
    return Card(f"{title} (configuration {column})", year, _PAPER, _INPUT, differences, error, protocol)


_DENSE = "validation, one network, one scale, dense evaluation"
_TORCHVISION = "validation, torchvision's weights, one central crop"
_WITH_BATCH_NORM = "Batch normalisation after every convolution, as torchvision has it; the paper has none."


@described_by(_card("VGG-11", "A", 10.4, f"{_DENSE} at 256"))
def vgg11(num_classes: int = 1000, *, init: str = "kaiming") -> nn.Module:
    """Return configuration A: 8 convolutions, 3 linear layers; input 3×224×224."""
    return _vgg("A", num_classes, init)


@described_by(_card("VGG-11 with LRN", "A-LRN", 10.5, f"{_DENSE} at 256"))
def vgg11_lrn(num_classes: int = 1000, *, init: str = "kaiming") -> nn.Module:
    """Return configuration A-LRN: A with response normalisation after conv1_1; input 3×224×224."""
    return _vgg("A", num_classes, init, norm="response")


@described_by(_card("VGG-13", "B", 9.9, f"{_DENSE} at 256"))
def vgg13(num_classes: int = 1000, *, init: str = "kaiming") -> nn.Module:
    """Return configuration B: 10 convolutions, 3 linear layers; input 3×224×224."""
    return _vgg("B", num_classes, init)


@described_by(_card("VGG-16 with 1×1 convolutions", "C", 8.8, f"{_DENSE} at 384, trained on 256 to 512"))
def vgg16c(num_classes: int = 1000, *, init: str = "kaiming") -> nn.Module:
    """Return configuration C: 13 convolutions, three of them 1×1, 3 linear layers; input 3×224×224."""
    return _vgg("C", num_classes, init)


@described_by(_card("VGG-16", "D", 8.1, f"{_DENSE} at 384, trained on 256 to 512"))
def vgg16(num_classes: int = 1000, *, init: str = "kaiming") -> nn.Module:
    """Return configuration D: 13 convolutions, 3 linear layers; input 3×224×224."""
    return _vgg("D", num_classes, init)


@described_by(_card("VGG-19", "E", 8.0, f"{_DENSE} at 384, trained on 256 to 512"))
def vgg19(num_classes: int = 1000, *, init: str = "kaiming") -> nn.Module:
    """Return configuration E: 16 convolutions, 3 linear layers; input 3×224×224."""
    return _vgg("E", num_classes, init)


@described_by(_card("VGG-11 with batch norm", "A", 10.2, _TORCHVISION, 2015, _WITH_BATCH_NORM))
def vgg11_bn(num_classes: int = 1000, *, init: str = "kaiming") -> nn.Module:
    """Return configuration A with batch normalisation; input 3×224×224."""
    return _vgg("A", num_classes, init, norm="batch")


@described_by(_card("VGG-13 with batch norm", "B", 9.6, _TORCHVISION, 2015, _WITH_BATCH_NORM))
def vgg13_bn(num_classes: int = 1000, *, init: str = "kaiming") -> nn.Module:
    """Return configuration B with batch normalisation; input 3×224×224."""
    return _vgg("B", num_classes, init, norm="batch")


@described_by(_card("VGG-16 with batch norm", "D", 8.5, _TORCHVISION, 2015, _WITH_BATCH_NORM))
def vgg16_bn(num_classes: int = 1000, *, init: str = "kaiming") -> nn.Module:
    """Return configuration D with batch normalisation; input 3×224×224."""
    return _vgg("D", num_classes, init, norm="batch")


@described_by(_card("VGG-19 with batch norm", "E", 8.2, _TORCHVISION, 2015, _WITH_BATCH_NORM))
def vgg19_bn(num_classes: int = 1000, *, init: str = "kaiming") -> nn.Module:
    """Return configuration E with batch normalisation; input 3×224×224."""
    return _vgg("E", num_classes, init, norm="batch")
