"""VGG: K. Simonyan, A. Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, 2014.

The configurations are the columns of the paper's table 1. A number is a 3×3 convolution with that many filters, a
string such as "256x1" one with a 1×1 kernel, "M" a 2×2 max pooling.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

from zoo.blocks import Activation, Conv, Dropout, Linear, Pool, ResponseNorm, Row, Table
from zoo.builder import architecture
from zoo.card import Card
from zoo.initialisation import xavier

_PAPER = "Simonyan, Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition, 2014 (ICLR 2015)"
_INPUT = (3, 224, 224)

CONFIGURATIONS: dict[str, tuple[int | str, ...]] = {
    "A": (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"),
    "B": (64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"),
    "C": (64, 64, "M", 128, 128, "M", 256, 256, "256x1", "M", 512, 512, "512x1", "M", 512, 512, "512x1", "M"),
    "D": (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"),
    "E": (64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512, 512, 512, 512, "M"),
}  # fmt: skip


def _features(configuration: str) -> Iterator[Row]:
    stage, place = 1, 1
    for entry in CONFIGURATIONS[configuration]:
        if entry == "M":
            yield Pool(f"pool{stage}", 2, 2)
            stage, place = stage + 1, 1
            continue
        filters, kernel = (int(n) for n in f"{entry}x3".split("x")[:2])
        suffix = f"{stage}_{place}"
        yield Conv(f"conv{suffix}", filters, kernel, padding=kernel // 2)
        yield Activation(f"relu{suffix}")
        if suffix == "1_1":
            yield ResponseNorm("norm1_1")
        place += 1


def _table(configuration: str, num_classes: int) -> Table:
    """Return a configuration's table; norm1_1 stands where A-LRN has it, and is left out in all others."""
    return (
        *_features(configuration),
        Linear("fc6", 4096),
        Activation("relu6"),
        Dropout("drop6"),
        Linear("fc7", 4096),
        Activation("relu7"),
        Dropout("drop7"),
        Linear("fc8", num_classes),
    )


# The initialisation that the authors found, after submission, to need no pre-training (section 3.1).
_vgg = functools.partial(architecture, paper_init=xavier)


def _card(
    title: str, column: str, error: float, protocol: str, year: int = 2014, differences: str = "None known."
) -> Card:
    return Card(f"{title} (configuration {column})", year, _PAPER, _INPUT, differences, error, protocol)


_DENSE = "validation, one network, one scale, dense evaluation"
_TORCHVISION = "validation, torchvision's weights, one central crop"
_WITH_BATCH_NORM = "Batch normalisation after every convolution, as torchvision has it; the paper has none."


@_vgg(_card("VGG-11", "A", 10.4, f"{_DENSE} at 256"))
def vgg11(num_classes: int) -> Table:
    """Return configuration A: 8 convolutions, 3 linear layers; input 3×224×224."""
    return _table("A", num_classes)


@_vgg(_card("VGG-11 with LRN", "A-LRN", 10.5, f"{_DENSE} at 256"), norm="response")
def vgg11_lrn(num_classes: int) -> Table:
    """Return configuration A-LRN: A with response normalisation after conv1_1; input 3×224×224."""
    return _table("A", num_classes)


@_vgg(_card("VGG-13", "B", 9.9, f"{_DENSE} at 256"))
def vgg13(num_classes: int) -> Table:
    """Return configuration B: 10 convolutions, 3 linear layers; input 3×224×224."""
    return _table("B", num_classes)


@_vgg(_card("VGG-16 with 1×1 convolutions", "C", 8.8, f"{_DENSE} at 384, trained on 256 to 512"))
def vgg16c(num_classes: int) -> Table:
    """Return configuration C: 13 convolutions, three of them 1×1, 3 linear layers; input 3×224×224."""
    return _table("C", num_classes)


@_vgg(_card("VGG-16", "D", 8.1, f"{_DENSE} at 384, trained on 256 to 512"))
def vgg16(num_classes: int) -> Table:
    """Return configuration D: 13 convolutions, 3 linear layers; input 3×224×224."""
    return _table("D", num_classes)


@_vgg(_card("VGG-19", "E", 8.0, f"{_DENSE} at 384, trained on 256 to 512"))
def vgg19(num_classes: int) -> Table:
    """Return configuration E: 16 convolutions, 3 linear layers; input 3×224×224."""
    return _table("E", num_classes)


@_vgg(_card("VGG-11 with batch norm", "A", 10.2, _TORCHVISION, 2015, _WITH_BATCH_NORM), norm="batch")
def vgg11_bn(num_classes: int) -> Table:
    """Return configuration A with batch normalisation; input 3×224×224."""
    return _table("A", num_classes)


@_vgg(_card("VGG-13 with batch norm", "B", 9.6, _TORCHVISION, 2015, _WITH_BATCH_NORM), norm="batch")
def vgg13_bn(num_classes: int) -> Table:
    """Return configuration B with batch normalisation; input 3×224×224."""
    return _table("B", num_classes)


@_vgg(_card("VGG-16 with batch norm", "D", 8.5, _TORCHVISION, 2015, _WITH_BATCH_NORM), norm="batch")
def vgg16_bn(num_classes: int) -> Table:
    """Return configuration D with batch normalisation; input 3×224×224."""
    return _table("D", num_classes)


@_vgg(_card("VGG-19 with batch norm", "E", 8.2, _TORCHVISION, 2015, _WITH_BATCH_NORM), norm="batch")
def vgg19_bn(num_classes: int) -> Table:
    """Return configuration E with batch normalisation; input 3×224×224."""
    return _table("E", num_classes)
