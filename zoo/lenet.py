"""LeNet: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-Based Learning Applied to Document Recognition, 1998.

`lenet5` is the published network with its trainable subsampling, partial connections and radial-basis output; `lenet`
is the form taught in lectures, with average pooling, full connections and a linear output.
"""

from __future__ import annotations

from collections import OrderedDict
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's documentation writes F

from zoo.blocks import Activation, Conv, Linear, Pool, Table
from zoo.builder import architecture
from zoo.card import Card, described_by
from zoo.digit_bitmaps import digit_codes
from zoo.initialisation import Part, fan_in_uniform, initialise

_PAPER = "LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning Applied to Document Recognition, Proc. IEEE 1998"

# Table I of the paper: the maps of S2 that each map of C3 is connected to, grouped by their number.
CONNECTIONS: tuple[tuple[tuple[int, ...], ...], ...] = (
    ((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    (
        (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
        (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),
    ),
    ((0, 1, 2, 3, 4, 5),),
)  # fmt: skip


@architecture(
    Card(
        title="LeNet",
        year=1998,
        paper=_PAPER,
        input_shape=(1, 32, 32),
        differences="As lectures teach it: average pooling without parameters, full connections, a linear output.",
    ),
    paper_init=fan_in_uniform,
    num_classes=10,
)
def lenet(num_classes: int) -> Table:
    """Return the modern LeNet; input 1×32×32."""
    return (
        Conv("conv1", 6, 5),
        Activation("tanh1", "tanh"),
        Pool("pool1", 2, 2, kind="average"),
        Conv("conv2", 16, 5),
        Activation("tanh2", "tanh"),
        Pool("pool2", 2, 2, kind="average"),
        Linear("fc3", 120),
        Activation("tanh3", "tanh"),
        Linear("fc4", 84),
        Activation("tanh4", "tanh"),
        Linear("fc5", num_classes),
    )


@described_by(
    Card(
        title="LeNet-5",
        year=1998,
        paper=_PAPER,
        input_shape=(1, 32, 32),
        differences=(
            "The output is minus the squared distance to each digit's bitmap, so that the largest is the answer;"
            " the bitmaps are redrawn in the paper's 7×12 format."
        ),
    )
)
def lenet5(num_classes: int = 10, *, in_channels: int = 1, init: str = "paper") -> nn.Module:
    """Return LeNet-5 as published; input N×1×32×32, output N×10.

    `init` is `kaiming`, `paper`, `torch` or `xavier`. Raises ValueError for other classes or channels.
    """
    if num_classes != 10:
        raise ValueError(f"lenet5 has a fixed bitmap for each of 10 digits; num_classes cannot be {num_classes}")
    if in_channels != 1:
        raise ValueError(f"lenet5 is for grey images of digits; in_channels cannot be {in_channels}")
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        c1=nn.Conv2d(1, 6, 5),
        squash1=ScaledTanh(),
        s2=Subsampling(6),
        squash2=ScaledTanh(),
        c3=PartialConv(5, CONNECTIONS),
        squash3=ScaledTanh(),
        s4=Subsampling(16),
        squash4=ScaledTanh(),
        c5=nn.Conv2d(16, 120, 5),
        squash5=ScaledTanh(),
        flatten=nn.Flatten(),
        f6=nn.Linear(120, 84),
        squash6=ScaledTanh(),
        output=BitmapDistance(),
    )
    return initialise(nn.Sequential(layers), init, fan_in_uniform)


class ScaledTanh(nn.Module):
    """1.7159 tanh(2x/3), the paper's squashing function (appendix A); any shape."""

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of `x`."""
        return 1.7159 * torch.tanh(x * (2 / 3))


class Subsampling(nn.Module):
    """The sum of each 2×2 neighbourhood, times a trainable coefficient, plus a trainable bias, per map."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(maps).uniform_(-0.5, 0.5))
        self.bias = nn.Parameter(torch.zeros(maps))

    def weight_parts(self) -> list[Part]:
        """Return the coefficients with their fan-in, 4, and fan-out, 1."""
        return [(self.weight, 4, 1)]

    def forward(self, x: Tensor) -> Tensor:
        """Return N×C×H/2×W/2 for `x` of N×C×H×W."""
        total = F.avg_pool2d(x, 2, divisor_override=1)
        return total * self.weight.view(-1, 1, 1) + self.bias.view(-1, 1, 1)


class PartialConv(nn.Module):
    """A convolution in which each output map is connected to its own choice of input maps.

    Only existing connections have weights and are computed: output maps with the same number of inputs run as one
    grouped convolution over the maps gathered for them. `connections` has the input maps of each output map.
    """

    inputs: Tensor

    def __init__(self, kernel: int, connections: tuple[tuple[tuple[int, ...], ...], ...]) -> None:
        super().__init__()
        self.kernel_size = kernel
        self.connections = tuple(row for rows in connections for row in rows)
        self._groups = [(len(rows), len(rows[0])) for rows in connections]
        maps = sum(groups for groups, _ in self._groups)
        gathered = [index for rows in connections for row in rows for index in row]
        self.weight = nn.Parameter(torch.empty(len(gathered), kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(maps))
        self.register_buffer("inputs", torch.tensor(gathered), persistent=False)
        with torch.no_grad():
            for weight, fan_in, _ in self.weight_parts():
                weight.uniform_(-1 / sqrt(fan_in), 1 / sqrt(fan_in))

    def weight_parts(self) -> list[Part]:
        """Return the weights of each group of output maps with their fan-in and fan-out."""
        area = self.kernel_size**2
        weights = torch.split(self.weight, [groups * fan_in for groups, fan_in in self._groups])
        return [
            (weight, fan_in * area, groups * area)
            for weight, (groups, fan_in) in zip(weights, self._groups, strict=True)
        ]

    def forward(self, x: Tensor) -> Tensor:
        """Return N×16×10×10 for the paper's N×6×14×14."""
        gathered = x.index_select(1, self.inputs)
        volumes = torch.split(gathered, [groups * fan_in for groups, fan_in in self._groups], dim=1)
        biases = torch.split(self.bias, [groups for groups, _ in self._groups])
        maps = [
            F.conv2d(volume, weight.view(groups, fan_in, *weight.shape[1:]), bias, groups=groups)
            for volume, (weight, _, _), bias, (groups, fan_in) in zip(
                volumes, self.weight_parts(), biases, self._groups, strict=True
            )
        ]
        return torch.cat(maps, dim=1)


class BitmapDistance(nn.Module):
    """The negated squared Euclidean distance to the fixed ±1 bitmap of each digit, N×84 -> N×10.

    Computed as 2x·w - |x|² - |w|², whose matrix product with fixed weights is the paper's 840 connections.
    """

    codes: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("codes", digit_codes())

    def forward(self, x: Tensor) -> Tensor:
        """Return the negated squared distances."""
        product = x @ self.codes.t()
        return 2 * product - x.square().sum(dim=1, keepdim=True) - x.shape[1]  # |w|² of ±1 is their number
