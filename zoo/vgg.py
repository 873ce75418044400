"""VGG: K. Simonyan, A. Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, 2014.

`COLUMNS` are those of the paper's table 1. A number is a 3×3 convolution with that many filters, `(256, 1)` a 1×1
convolution with 256, "M" a 2×2 max pooling, "LRN" a local response normalisation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zoo.blocks import Activation, Conv, Pool, ResponseNorm, Row, Table, classifier
from zoo.builder import Builder, architecture
from zoo.card import Card
from zoo.initialisation import xavier
from zoo.variants import with_norm

_PAPER = "Simonyan, Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition, 2014 (ICLR 2015)"

COLUMNS: dict[str, tuple[Any, ...]] = {
    "A":     (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"),
    "A-LRN": (64, "LRN", "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"),
    "B":     (64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"),
    "C":     (64, 64, "M", 128, 128, "M", 256, 256, (256, 1), "M", 512, 512, (512, 1), "M", 512, 512, (512, 1), "M"),
    "D":     (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"),
    "E":     (64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512, 512, 512, 512, "M"),
}  # fmt: skip

_AT_256 = "validation, one network, one scale, dense evaluation at 256"
_AT_384 = "validation, one network, one scale, dense evaluation at 384, trained on 256 to 512"
_TORCHVISION = "validation, torchvision's weights, one central crop"
_WITH_BATCH_NORM = "Batch normalisation after every convolution, as torchvision has it; the paper has none."

# Title, column, reported top-5 error in percent, its protocol, normalisation.
VARIANTS = {
    "vgg11":     ("VGG-11", "A", 10.4, _AT_256, "none"),
    "vgg11_lrn": ("VGG-11 with LRN", "A-LRN", 10.5, _AT_256, "response"),
    "vgg13":     ("VGG-13", "B", 9.9, _AT_256, "none"),
    "vgg16c":    ("VGG-16 with 1×1 convolutions", "C", 8.8, _AT_384, "none"),
    "vgg16":     ("VGG-16", "D", 8.1, _AT_384, "none"),
    "vgg19":     ("VGG-19", "E", 8.0, _AT_384, "none"),
    "vgg11_bn":  ("VGG-11 with batch norm", "A", 10.2, _TORCHVISION, "batch"),
    "vgg13_bn":  ("VGG-13 with batch norm", "B", 9.6, _TORCHVISION, "batch"),
    "vgg16_bn":  ("VGG-16 with batch norm", "D", 8.5, _TORCHVISION, "batch"),
    "vgg19_bn":  ("VGG-19 with batch norm", "E", 8.2, _TORCHVISION, "batch"),
}  # fmt: skip


def _features(column: str) -> Iterator[Row]:
    stage, place = 1, 1
    for entry in COLUMNS[column]:
        if entry == "M":
            yield Pool(f"pool{stage}", 2, 2)
            stage, place = stage + 1, 1
        elif entry == "LRN":
            yield ResponseNorm("norm1_1")
        else:
            filters, kernel = (entry, 3) if isinstance(entry, int) else entry
            yield Conv(f"conv{stage}_{place}", filters, kernel, padding=kernel // 2)
            yield Activation(f"relu{stage}_{place}")
            place += 1


def _vgg(name: str, title: str, column: str, error: float, protocol: str, norm: str) -> Builder:
    def table(num_classes: int) -> Table:
        return with_norm((*_features(column), *classifier(num_classes)), norm)

    title = f"{title} (configuration {column})"
    convolutions = sum(not isinstance(entry, str) for entry in COLUMNS[column])
    table.__name__ = table.__qualname__ = name
    table.__doc__ = f"Return {title}: {convolutions} convolutions, 3 linear layers; input 3×224×224."
    has_batch_norm = norm == "batch"
    card = Card(
        title=title,
        year=2015 if has_batch_norm else 2014,
        paper=_PAPER,
        input_shape=(3, 224, 224),
        differences=_WITH_BATCH_NORM if has_batch_norm else "None known.",
        reported_top5_error_percent=error,
        reported_protocol=protocol,
    )
    # The initialisation that the authors found, after submission, to need no pre-training (section 3.1).
    return architecture(card, paper_init=xavier, response_after=("relu1_1",))(table)


# fmt: off
(
    vgg11, vgg11_lrn, vgg13, vgg16c, vgg16, vgg19,
    vgg11_bn, vgg13_bn, vgg16_bn, vgg19_bn,
) = (_vgg(name, *variant) for name, variant in VARIANTS.items())
# fmt: on
