"""ResNet: K. He, X. Zhang, S. Ren, J. Sun, Deep Residual Learning for Image Recognition, 2015.

`IMAGENET` has the columns of the paper's table 1, `CIFAR` the n of section 4.2: 6n + 2 layers. Every convolution is
followed by batch normalisation and has no bias.

A bottleneck that halves the size does so in its first 1×1 convolution, as published (v1), or in its 3×3 convolution, as
torchvision has it (v1.5): the parameters are the same, the multiply-accumulates are more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from zoo.blocks import Activation, AdaptivePool, BatchNorm, Conv, Linear, Pool, Row, Table
from zoo.branches import Residual, ZeroPad
from zoo.builder import Builder, architecture
from zoo.card import Card
from zoo.initialisation import kaiming
from zoo.variants import require_choice

_PAPER = "He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, 2015 (CVPR 2016)"
_TEN_CROPS = "validation, one network, mean over ten crops (table 3)"
_TORCHVISION = "validation, torchvision's weights, one central crop"

SHORTCUTS = ("A", "B", "C", "none")


def _basic(filters: int, stride: int) -> Table:
    return (
        Conv("conv1", filters, 3, stride=stride, padding=1, bias=False),
        BatchNorm("bn1"),
        Activation("relu1"),
        Conv("conv2", filters, 3, padding=1, bias=False),
        BatchNorm("bn2"),
    )


def _bottleneck(filters: int, stride: int) -> Table:
    return (
        Conv("conv1", filters, 1, stride=stride, bias=False),
        BatchNorm("bn1"),
        Activation("relu1"),
        Conv("conv2", filters, 3, padding=1, bias=False),
        BatchNorm("bn2"),
        Activation("relu2"),
        Conv("conv3", 4 * filters, 1, bias=False),
        BatchNorm("bn3"),
    )


def _bottleneck_v1_5(filters: int, stride: int) -> Table:
    return (
        Conv("conv1", filters, 1, bias=False),
        BatchNorm("bn1"),
        Activation("relu1"),
        Conv("conv2", filters, 3, stride=stride, padding=1, bias=False),
        BatchNorm("bn2"),
        Activation("relu2"),
        Conv("conv3", 4 * filters, 1, bias=False),
        BatchNorm("bn3"),
    )


# The kind of block, the numbers of blocks in conv2_x to conv5_x, reported top-5 error in percent, its protocol.
IMAGENET: dict[str, tuple[Callable[[int, int], Table], tuple[int, ...], float, str]] = {
    "resnet18":       (_basic, (2, 2, 2, 2), 10.9, _TORCHVISION),
    "resnet34":       (_basic, (3, 4, 6, 3), 7.46, _TEN_CROPS),
    "resnet50":       (_bottleneck, (3, 4, 6, 3), 6.71, _TEN_CROPS),
    "resnet101":      (_bottleneck, (3, 4, 23, 3), 6.05, _TEN_CROPS),
    "resnet152":      (_bottleneck, (3, 8, 36, 3), 5.71, _TEN_CROPS),
    "resnet50_v1_5":  (_bottleneck_v1_5, (3, 4, 6, 3), 7.1, _TORCHVISION),
    "resnet101_v1_5": (_bottleneck_v1_5, (3, 4, 23, 3), 6.5, _TORCHVISION),
    "resnet152_v1_5": (_bottleneck_v1_5, (3, 8, 36, 3), 6.0, _TORCHVISION),
}  # fmt: skip
CIFAR = {"resnet20": 3, "resnet32": 5}

_SHORTCUT_SWITCH = "`shortcut` is `A`, `B` or `C` as in the paper's section 4.1, or `none` for the plain network."
_POOL1 = "pool1 is padded on all sides, as in torchvision; in the authors' Caffe model, right and below only."
_DIFFERENCES: dict[Callable[[int, int], Table], str] = {
    _basic: f"{_POOL1} Without bottlenecks v1 and v1.5 are the same.",
    _bottleneck: f"{_POOL1} Blocks halve the size in their first 1×1 convolution (v1), not in the 3×3 (v1.5).",
    _bottleneck_v1_5: "As in torchvision blocks halve the size in their 3×3 convolution (v1.5), not in the first 1×1.",
}


def _shortcut(option: str, channels: int, stride: int, *, changes_shape: bool) -> Table | None:
    """Return the shortcut of a block by the paper's option: A pads with zeros, B projects there, C everywhere."""
    if option == "none":
        return None
    if option == "A" and changes_shape:
        return (ZeroPad("shortcut", channels, stride),)
    if option == "C" or changes_shape:
        return (Conv("shortcut", channels, 1, stride=stride, bias=False), BatchNorm("bn_shortcut"))
    return ()


def _blocks(
    block: Callable[[int, int], Table], counts: tuple[int, ...], first_filters: int, shortcut: str
) -> Iterator[Row]:
    """Yield conv2_1, conv2_2, …: the filters double and the size halves from conv2_x to conv3_x and so on."""
    channels = first_filters
    for stage, count in enumerate(counts):
        filters = first_filters << stage
        for place in range(count):
            stride = 2 if stage and not place else 1
            branch = block(filters, stride)
            out = next(row.filters for row in reversed(branch) if isinstance(row, Conv))
            changes_shape = stride > 1 or out != channels
            yield Residual(
                f"conv{stage + 2}_{place + 1}", branch, _shortcut(shortcut, out, stride, changes_shape=changes_shape)
            )
            channels = out


def _imagenet(
    name: str, block: Callable[[int, int], Table], counts: tuple[int, ...], error: float, protocol: str
) -> Builder:
    def table(num_classes: int, *, shortcut: str = "B") -> Table:
        require_choice("shortcut", shortcut, SHORTCUTS)
        return (
            Conv("conv1", 64, 7, stride=2, padding=3, bias=False),
            BatchNorm("bn1"),
            Activation("relu1"),
            Pool("pool1", 3, 2, padding=1),
            *_blocks(block, counts, 64, shortcut),
            AdaptivePool("avgpool", 1),
            Linear("fc", num_classes),
        )

    layers = (2 if block is _basic else 3) * sum(counts) + 2
    title = f"ResNet-{layers}{' v1.5' if block is _bottleneck_v1_5 else ''}"
    table.__name__ = table.__qualname__ = name
    table.__doc__ = f"Return {title}; input 3×224×224.\n\n{_SHORTCUT_SWITCH}"
    card = Card(
        title=title,
        year=2015,
        paper=_PAPER,
        input_shape=(3, 224, 224),
        differences=_DIFFERENCES[block],
        reported_top5_error_percent=error,
        reported_protocol=protocol,
    )
    return architecture(card, paper_init=kaiming)(table)


def _cifar(name: str, n: int) -> Builder:
    def table(num_classes: int, *, shortcut: str = "A") -> Table:
        require_choice("shortcut", shortcut, SHORTCUTS)
        return (
            Conv("conv1", 16, 3, padding=1, bias=False),
            BatchNorm("bn1"),
            Activation("relu1"),
            *_blocks(_basic, (n, n, n), 16, shortcut),
            AdaptivePool("avgpool", 1),
            Linear("fc", num_classes),
        )

    layers = 6 * n + 2
    table.__name__ = table.__qualname__ = name
    summary = f"Return the network of {layers} layers for CIFAR-10 (section 4.2, n = {n}); input 3×32×32."
    table.__doc__ = f"{summary}\n\n{_SHORTCUT_SWITCH}"
    card = Card(
        title=f"ResNet-{layers} for CIFAR-10",
        year=2015,
        paper=_PAPER,
        input_shape=(3, 32, 32),
        differences="None known. Shortcuts pad with zeros (option A); ?shortcut=none is the paper's plain network.",
    )
    return architecture(card, paper_init=kaiming, num_classes=10)(table)


# fmt: off
(
    resnet18, resnet34, resnet50, resnet101, resnet152,
    resnet50_v1_5, resnet101_v1_5, resnet152_v1_5,
) = (_imagenet(name, *column) for name, column in IMAGENET.items())
# fmt: on
resnet20, resnet32 = (_cifar(name, n) for name, n in CIFAR.items())
