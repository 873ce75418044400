"""ZFNet: M. Zeiler, R. Fergus, Visualizing and Understanding Convolutional Networks, 2013.

AlexNet with a smaller and denser first layer: 11×11 stride 4 becomes 7×7 stride 2, and conv2 takes stride 2.
"""

from __future__ import annotations

from zoo.blocks import Activation, Conv, Pool, ResponseNorm, Table, classifier
from zoo.builder import architecture
from zoo.card import Card
from zoo.initialisation import gaussian

_PAPER = "Zeiler, Fergus: Visualizing and Understanding Convolutional Networks, 2013 (ECCV 2014)"


def _table(num_classes: int, filters: tuple[int, int, int]) -> Table:
    return (
        Conv("conv1", 96, 7, stride=2, padding=1),
        Activation("relu1"),
        Pool("pool1", 3, 2, padding=1),
        ResponseNorm("norm1"),
        Conv("conv2", 256, 5, stride=2),
        Activation("relu2"),
        Pool("pool2", 3, 2, padding=1),
        ResponseNorm("norm2"),
        Conv("conv3", filters[0], 3, padding=1),
        Activation("relu3"),
        Conv("conv4", filters[1], 3, padding=1),
        Activation("relu4"),
        Conv("conv5", filters[2], 3, padding=1),
        Activation("relu5"),
        Pool("pool5", 3, 2),
        *classifier(num_classes),
    )


@architecture(
    Card(
        title="ZFNet",
        year=2013,
        paper=_PAPER,
        input_shape=(3, 224, 224),
        differences="Contrast normalisation between maps is AlexNet's; paddings are those that figure 3's sizes need.",
        reported_top5_error_percent=16.5,
        reported_protocol="validation, one network (table 2, the model of figure 3)",
    ),
    paper_init=gaussian(),
)
def zfnet(num_classes: int) -> Table:
    """Return the network of the paper's figure 3; input 3×224×224."""
    return _table(num_classes, (384, 384, 256))


@architecture(
    Card(
        title="ZFNet, wide",
        year=2013,
        paper=_PAPER,
        input_shape=(3, 224, 224),
        differences="As ZFNet, with 512, 1024 and 512 filters in conv3, conv4 and conv5.",
        reported_top5_error_percent=16.0,
        reported_protocol="validation, one network (table 2, model b)",
    ),
    paper_init=gaussian(),
)
def zfnet_wide(num_classes: int) -> Table:
    """Return the paper's wide variant; input 3×224×224."""
    return _table(num_classes, (512, 1024, 512))
