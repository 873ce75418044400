"""AlexNet: Krizhevsky, Sutskever, Hinton, ImageNet Classification with Deep Convolutional Neural Networks, 2012.

Rows have the paper's order and names. The published network ran on two GPUs, whose halves of the filters (towers) see
each other's maps only in conv3 and the fully connected layers: conv2, conv4 and conv5 have two groups.
"""

from __future__ import annotations

from zoo.blocks import Activation, Conv, Dropout, Linear, Pool, ResponseNorm, Table, classifier
from zoo.builder import architecture
from zoo.card import Card
from zoo.initialisation import gaussian

_PAPER = "Krizhevsky, Sutskever, Hinton: ImageNet Classification with Deep Convolutional Neural Networks, NIPS 2012"
_OWT_PAPER = "Krizhevsky: One weird trick for parallelizing convolutional neural networks, 2014"

PAPER_INIT = gaussian(bias_one=("conv2", "conv4", "conv5", "fc6", "fc7"))


def _table(num_classes: int, *, groups: int, padding_5x5: int = 2, padding_3x3: int = 1) -> Table:
    return (
        Conv("conv1", 96, 11, stride=4),
        Activation("relu1"),
        ResponseNorm("norm1"),
        Pool("pool1", 3, 2),
        Conv("conv2", 256, 5, padding=padding_5x5, groups=groups),
        Activation("relu2"),
        ResponseNorm("norm2"),
        Pool("pool2", 3, 2),
        Conv("conv3", 384, 3, padding=padding_3x3),
        Activation("relu3"),
        Conv("conv4", 384, 3, padding=padding_3x3, groups=groups),
        Activation("relu4"),
        Conv("conv5", 256, 3, padding=padding_3x3, groups=groups),
        Activation("relu5"),
        Pool("pool5", 3, 2),
        *classifier(num_classes),
    )


@architecture(
    Card(
        title="AlexNet",
        year=2012,
        paper=_PAPER,
        input_shape=(3, 227, 227),
        differences="Input 227 as the arithmetic needs, not 224; the two towers are convolutions of two groups.",
        reported_top5_error_percent=18.2,
        reported_protocol="validation, one network, mean over ten crops",
    ),
    paper_init=PAPER_INIT,
)
def alexnet(num_classes: int) -> Table:
    """Return the network as published; input 3×227×227."""
    return _table(num_classes, groups=2)


@architecture(
    Card(
        title="AlexNet, one tower",
        year=2012,
        paper=_PAPER,
        input_shape=(3, 227, 227),
        differences="One tower: every filter sees all maps of the layer below.",
    ),
    paper_init=PAPER_INIT,
)
def alexnet_onegpu(num_classes: int) -> Table:
    """Return AlexNet without groups; input 3×227×227."""
    return _table(num_classes, groups=1)


@architecture(
    Card(
        title="AlexNet, no padding",
        year=2012,
        paper=_PAPER,
        input_shape=(3, 227, 227),
        differences="As some lectures draw it: one tower and no padding, so that fc6 sees 256×2×2.",
    ),
    paper_init=PAPER_INIT,
)
def alexnet_nopad(num_classes: int) -> Table:
    """Return AlexNet without groups or padding; input 3×227×227."""
    return _table(num_classes, groups=1, padding_5x5=0, padding_3x3=0)


@architecture(
    Card(
        title="AlexNet, one weird trick",
        year=2014,
        paper=_OWT_PAPER,
        input_shape=(3, 224, 224),
        differences="As torchvision has it: no response normalisation; dropout stands before fc6 and fc7.",
        reported_top5_error_percent=20.9,
        reported_protocol="validation, torchvision's weights, one central crop",
    ),
    paper_init=PAPER_INIT,
    response_after=("relu1", "relu2"),
)
def alexnet_owt(num_classes: int) -> Table:
    """Return the one-tower network of 2014; input 3×224×224."""
    return (
        Conv("conv1", 64, 11, stride=4, padding=2),
        Activation("relu1"),
        Pool("pool1", 3, 2),
        Conv("conv2", 192, 5, padding=2),
        Activation("relu2"),
        Pool("pool2", 3, 2),
        Conv("conv3", 384, 3, padding=1),
        Activation("relu3"),
        Conv("conv4", 256, 3, padding=1),
        Activation("relu4"),
        Conv("conv5", 256, 3, padding=1),
        Activation("relu5"),
        Pool("pool5", 3, 2),
        Dropout("drop6"),
        Linear("fc6", 4096),
        Activation("relu6"),
        Dropout("drop7"),
        Linear("fc7", 4096),
        Activation("relu7"),
        Linear("fc8", num_classes),
    )
