"""AlexNet: Krizhevsky, Sutskever, Hinton, ImageNet Classification with Deep Convolutional Neural Networks, 2012.

Each row stands in the paper's order with its name. The published network ran as two towers on two GPUs that see each
other's maps only in conv3 and the fully connected layers: conv2, conv4 and conv5 have two groups.
"""

from __future__ import annotations

from zoo.blocks import Activation, Conv, Dropout, Linear, Pool, ResponseNorm, Table
from zoo.builder import architecture
from zoo.card import Card
from zoo.initialisation import gaussian

_PAPER = "Krizhevsky, Sutskever, Hinton: ImageNet Classification with Deep Convolutional Neural Networks, NIPS 2012"
_OWT_PAPER = "Krizhevsky: One weird trick for parallelizing convolutional neural networks, 2014"

PAPER_INIT = gaussian(bias_one=("conv2", "conv4", "conv5", "fc6", "fc7"))


def _table(num_classes: int, *, towers: int, pad: bool = True) -> Table:
    return (
        Conv("conv1", 96, 11, stride=4),
        Activation("relu1"),
        ResponseNorm("norm1"),
        Pool("pool1", 3, 2),
        Conv("conv2", 256, 5, padding=2 * pad, groups=towers),
        Activation("relu2"),
        ResponseNorm("norm2"),
        Pool("pool2", 3, 2),
        Conv("conv3", 384, 3, padding=1 * pad),
        Activation("relu3"),
        Conv("conv4", 384, 3, padding=1 * pad, groups=towers),
        Activation("relu4"),
        Conv("conv5", 256, 3, padding=1 * pad, groups=towers),
        Activation("relu5"),
        Pool("pool5", 3, 2),
        Linear("fc6", 4096),
        Activation("relu6"),
        Dropout("drop6"),
        Linear("fc7", 4096),
        Activation("relu7"),
        Dropout("drop7"),
        Linear("fc8", num_classes),
    )


def _owt_table(num_classes: int) -> Table:
    """Return the table of 2014, with norm1 and norm2 where AlexNet has them; this network has none unless asked."""
    return (
        Conv("conv1", 64, 11, stride=4, padding=2),
        Activation("relu1"),
        ResponseNorm("norm1"),
        Pool("pool1", 3, 2),
        Conv("conv2", 192, 5, padding=2),
        Activation("relu2"),
        ResponseNorm("norm2"),
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
    norm="response",
)
def alexnet(num_classes: int) -> Table:
    """Return the network as published; input 3×227×227."""
    return _table(num_classes, towers=2)


@architecture(
    Card(
        title="AlexNet, one tower",
        year=2012,
        paper=_PAPER,
        input_shape=(3, 227, 227),
        differences="One tower: every filter sees all maps of the layer below.",
    ),
    paper_init=PAPER_INIT,
    norm="response",
)
def alexnet_onegpu(num_classes: int) -> Table:
    """Return AlexNet without groups; input 3×227×227."""
    return _table(num_classes, towers=1)


@architecture(
    Card(
        title="AlexNet, no padding",
        year=2012,
        paper=_PAPER,
        input_shape=(3, 227, 227),
        differences="As some lectures draw it: one tower and no padding, so that fc6 sees 256×2×2.",
    ),
    paper_init=PAPER_INIT,
    norm="response",
)
def alexnet_nopad(num_classes: int) -> Table:
    """Return AlexNet without groups or padding; input 3×227×227."""
    return _table(num_classes, towers=1, pad=False)


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
    norm="none",
)
def alexnet_owt(num_classes: int) -> Table:
    """Return the one-tower network of 2014; input 3×224×224."""
    return _owt_table(num_classes)
