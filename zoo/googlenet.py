"""GoogLeNet: C. Szegedy, W. Liu, Y. Jia and others, Going Deeper with Convolutions, 2014.

Layers have the names of its replication in Caffe. Pooling windows may reach over the right and lower border, as the
paper's figure 3 has it ("S"), so that they halve even sizes.

`googlenet` is the network as published; `googlenet_bn` is torchvision's, with batch normalisation, and with 3×3 filters
in the branch that has 5×5 filters in the paper.
"""

from __future__ import annotations

from typing import Protocol

from zoo.blocks import (
    Activation,
    AdaptivePool,
    BatchNorm,
    Conv,
    Dropout,
    Linear,
    Pool,
    ResponseNorm,
    Row,
    Table,
    follower,
)
from zoo.branches import Auxiliary, Inception
from zoo.builder import architecture
from zoo.card import Card
from zoo.initialisation import xavier
from zoo.variants import require_boolean

_PAPER = "Szegedy, Liu, Jia, Sermanet, Reed and others: Going Deeper with Convolutions, 2014 (CVPR 2015)"

# The filters of each module, in the columns of the paper's table 1.
MODULES = {
    #    #1×1 #3×3r #3×3 #5×5r #5×5 pool proj
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class _Convolution(Protocol):
    def __call__(self, name: str, filters: int, kernel: int, *, stride: int = 1, padding: int = 0) -> Table: ...


def _with_relu(name: str, filters: int, kernel: int, *, stride: int = 1, padding: int = 0) -> Table:
    return (Conv(name, filters, kernel, stride, padding), Activation(follower(name, "relu")))


def _basic_conv2d(name: str, filters: int, kernel: int, *, stride: int = 1, padding: int = 0) -> Table:
    """Return torchvision's `BasicConv2d`."""
    return (
        Conv(name, filters, kernel, stride, padding, bias=False),
        BatchNorm(follower(name, "bn"), eps=1e-3),
        Activation(follower(name, "relu")),
    )


def _module(name: str, conv: _Convolution = _with_relu, *, large_kernel: int = 5) -> Row:
    n1x1, n3x3_reduce, n3x3, n5x5_reduce, n5x5, pool_proj = MODULES[name]
    return Inception(
        f"inception_{name}",
        (
            conv("1x1", n1x1, 1),
            (*conv("3x3_reduce", n3x3_reduce, 1), *conv("3x3", n3x3, 3, padding=1)),
            (*conv("5x5_reduce", n5x5_reduce, 1), *conv("5x5", n5x5, large_kernel, padding=large_kernel // 2)),
            (Pool("pool", 3, 1, padding=1), *conv("pool_proj", pool_proj, 1)),
        ),
    )


def _module_bn(name: str) -> Row:
    return _module(name, _basic_conv2d, large_kernel=3)


def _auxiliary(name: str, num_classes: int, pool: Row, conv: _Convolution = _with_relu) -> Row:
    table = (
        pool,
        *conv("conv", 128, 1),
        Linear("fc", 1024),
        Activation("relu_fc"),
        Dropout("drop_fc", 0.7),
        Linear("classifier", num_classes),
    )
    return Auxiliary(name, table, grid=4)


@architecture(
    Card(
        title="GoogLeNet",
        year=2014,
        paper=_PAPER,
        input_shape=(3, 224, 224),
        differences="The auxiliary classifiers, which only training uses, are a switch: ?aux=True.",
        reported_top5_error_percent=9.15,
        reported_protocol="validation, one network, mean over ten crops (table 3)",
    ),
    # The paper does not say; the replication in Caffe has it.
    paper_init=xavier,
)
def googlenet(num_classes: int, *, aux: bool = False) -> Table:
    """Return the network as published, 22 layers deep; input 3×224×224.

    With `aux` it has the auxiliary classifiers `loss1` and `loss2`, and in training returns their scores after its own.
    """
    require_boolean("aux", aux)
    table: Table = (
        *_with_relu("conv1", 64, 7, stride=2, padding=3),
        Pool("pool1", 3, 2, ceil_mode=True),
        ResponseNorm("norm1"),
        *_with_relu("conv2_reduce", 64, 1),
        *_with_relu("conv2", 192, 3, padding=1),
        ResponseNorm("norm2"),
        Pool("pool2", 3, 2, ceil_mode=True),
        _module("3a"),
        _module("3b"),
        Pool("pool3", 3, 2, ceil_mode=True),
        _module("4a"),
        _module("4b"),
        _module("4c"),
        _module("4d"),
        _module("4e"),
        Pool("pool4", 3, 2, ceil_mode=True),
        _module("5a"),
        _module("5b"),
        AdaptivePool("pool5", 1),
        Dropout("drop", 0.4),
        Linear("linear", num_classes),
    )
    if not aux:
        return table
    pool = Pool("ave_pool", 5, 3, kind="average")
    return _with_auxiliary(table, _auxiliary("loss1", num_classes, pool), _auxiliary("loss2", num_classes, pool))


@architecture(
    Card(
        title="GoogLeNet with batch norm",
        year=2015,
        paper=_PAPER,
        input_shape=(3, 224, 224),
        differences=(
            "As torchvision has it: batch normalisation after every convolution, no response normalisation, 3×3 where"
            " the paper has 5×5 (the layers 5x5), pool4 of 2×2, dropout 0.2."
        ),
        reported_top5_error_percent=10.5,
        reported_protocol="validation, torchvision's weights, one central crop",
    ),
    paper_init=xavier,
    response_after=("pool1", "relu2"),
)
def googlenet_bn(num_classes: int, *, aux: bool = False) -> Table:
    """Return torchvision's network, with 3×3 where the paper has 5×5; input 3×224×224.

    With `aux` it has the auxiliary classifiers `loss1` and `loss2`, and in training returns their scores after its own.
    """
    require_boolean("aux", aux)
    table: Table = (
        *_basic_conv2d("conv1", 64, 7, stride=2, padding=3),
        Pool("pool1", 3, 2, ceil_mode=True),
        *_basic_conv2d("conv2_reduce", 64, 1),
        *_basic_conv2d("conv2", 192, 3, padding=1),
        Pool("pool2", 3, 2, ceil_mode=True),
        _module_bn("3a"),
        _module_bn("3b"),
        Pool("pool3", 3, 2, ceil_mode=True),
        _module_bn("4a"),
        _module_bn("4b"),
        _module_bn("4c"),
        _module_bn("4d"),
        _module_bn("4e"),
        Pool("pool4", 2, 2, ceil_mode=True),
        _module_bn("5a"),
        _module_bn("5b"),
        AdaptivePool("pool5", 1),
        Dropout("drop", 0.2),
        Linear("linear", num_classes),
    )
    if not aux:
        return table
    pool = AdaptivePool("ave_pool", 4)
    heads = (_auxiliary(name, num_classes, pool, _basic_conv2d) for name in ("loss1", "loss2"))
    return _with_auxiliary(table, *heads)


def _with_auxiliary(table: Table, first: Row, second: Row) -> Table:
    """Return `table` with classifiers on the outputs of the modules 4a and 4d."""
    heads = {"inception_4a": (first,), "inception_4d": (second,)}
    return tuple(each for row in table for each in (row, *heads.get(row.name, ())))
