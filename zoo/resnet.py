"""ResNet: K. He, X. Zhang, S. Ren, J. Sun, Deep Residual Learning for Image Recognition, 2015.

`CIFAR` has the n of section 4.2: 6n + 2 layers. Every convolution is followed by batch normalisation and has no bias.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from zoo.blocks import Activation, AdaptivePool, BatchNorm, Conv, Linear, Row, Table
from zoo.branches import Residual, ZeroPad
from zoo.builder import Builder, architecture
from zoo.card import Card
from zoo.initialisation import kaiming
from zoo.variants import require_choice

_PAPER = "He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, 2015 (CVPR 2016)"

SHORTCUTS = ("A", "B", "C", "none")


def _basic(filters: int, stride: int) -> Table:
    return (
        Conv("conv1", filters, 3, stride=stride, padding=1, bias=False),
        BatchNorm("bn1"),
        Activation("relu1"),
        Conv("conv2", filters, 3, padding=1, bias=False),
        BatchNorm("bn2"),
    )


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


CIFAR = {"resnet20": 3, "resnet32": 5}


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
    table.__doc__ = (
        f"Return the network of {layers} layers for CIFAR-10 (section 4.2, n = {n}); input 3×32×32.\n\n"
        "`shortcut` is `A`, `B` or `C` as in the paper's section 4.1, or `none` for the plain network."
    )
    card = Card(
        title=f"ResNet-{layers} for CIFAR-10",
        year=2015,
        paper=_PAPER,
        input_shape=(3, 32, 32),
        differences="None known. Shortcuts pad with zeros (option A); ?shortcut=none is the paper's plain network.",
    )
    return architecture(card, paper_init=kaiming, num_classes=10)(table)


resnet20, resnet32 = (_cifar(name, n) for name, n in CIFAR.items())
