"""Rows of architecture tables, and the function that turns a table into a module.

A row states what it adds. Its number of input channels or features follows from the rows above it, so that a table
reads like the one in the paper.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Protocol

from torch import nn

Shape = tuple[int, ...]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": partial(nn.ReLU, inplace=True),  # in place as in torchvision's models
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}
POOLINGS = ("average", "max")


class Row(Protocol):
    """A named layer. Shapes are those of one sample, without the batch."""

    @property
    def name(self) -> str:
        """The layer's name in the paper."""

    def make(self, shape: Shape) -> nn.Module:
        """Return the module for inputs of `shape`."""

    def output_shape(self, shape: Shape) -> Shape:
        """Return the output shape for inputs of `shape`."""


Table = tuple[Row, ...]


def sequence(table: Table, input_shape: Shape) -> nn.Sequential:
    """Return the rows of `table` as one module, with a flatten before the first linear layer."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    shape = input_shape
    for row in table:
        if isinstance(row, Linear) and len(shape) > 1:
            layers["flatten"] = nn.Flatten()
            shape = (prod(shape),)
        assert row.name not in layers, f"two layers are called {row.name}"
        layers[row.name] = row.make(shape)
        shape = row.output_shape(shape)
    return nn.Sequential(layers)


def follower(name: str, kind: str) -> str:
    """Return the name of a layer of that kind after a convolution: `relu1` after `conv1`, `relu_3x3` after `3x3`."""
    return name.replace("conv", kind) if "conv" in name else f"{kind}_{name}"


def classifier_start(table: Table) -> int:
    """Return the index of the classifier's first row: the first linear layer, or the dropout before it."""
    return next(i for i, row in enumerate(table) if isinstance(row, (Dropout, Linear)))


def features_shape(table: Table, input_shape: Shape) -> Shape | None:
    """Return the classifier's input shape; None if `input_shape` is too small for a kernel on the way."""
    shape = input_shape
    for row in table[: classifier_start(table)]:
        shape = row.output_shape(shape)
        if min(shape) < 1:
            return None
    return shape


def _slide(shape: Shape, channels: int, kernel: int, stride: int, padding: int) -> Shape:
    return (channels, *((size + 2 * padding - kernel) // stride + 1 for size in shape[1:]))


@dataclass(frozen=True)
class Conv:
    """A square convolution; with `groups` > 1 each filter sees the maps of its own group only.

    Before a batch normalisation, whose own bias replaces it, the papers of 2015 leave out the bias.
    """

    name: str
    filters: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    bias: bool = True

    def make(self, shape: Shape) -> nn.Module:
        """Return the convolution for `shape[0]` input channels."""
        geometry = (self.kernel, self.stride, self.padding)
        return nn.Conv2d(shape[0], self.filters, *geometry, groups=self.groups, bias=self.bias)

    def output_shape(self, shape: Shape) -> Shape:
        """Return filters × floor((size + 2 padding - kernel) / stride) + 1."""
        return _slide(shape, self.filters, self.kernel, self.stride, self.padding)


@dataclass(frozen=True)
class Pool:
    """A square pooling window, overlapping where the stride is less than the kernel.

    With `ceil_mode` the last window may reach over the border: a 3×3 window at stride 2 halves even sizes.
    """

    name: str
    kernel: int
    stride: int
    padding: int = 0
    kind: str = "max"
    ceil_mode: bool = False

    def make(self, shape: Shape) -> nn.Module:
        """Return max or average pooling."""
        geometry = (self.kernel, self.stride, self.padding)
        if self.kind == "max":
            return nn.MaxPool2d(*geometry, ceil_mode=self.ceil_mode)
        # At the border the mean leaves out the padding.
        return nn.AvgPool2d(*geometry, ceil_mode=self.ceil_mode, count_include_pad=False)

    def output_shape(self, shape: Shape) -> Shape:
        """Return channels × (size + 2 padding - kernel) / stride + 1, rounded down, or up with `ceil_mode`."""
        if not self.ceil_mode:
            return _slide(shape, shape[0], self.kernel, self.stride, self.padding)
        return (shape[0], *(self._rounded_up(size) for size in shape[1:]))

    def _rounded_up(self, size: int) -> int:
        last = -((self.kernel - size - 2 * self.padding) // self.stride)
        # torch leaves out a window that would begin beyond the border.
        return last if last * self.stride >= size + self.padding else last + 1


@dataclass(frozen=True)
class AdaptivePool:
    """Average pooling to a square grid; larger inputs are averaged into its cells, smaller ones repeated."""

    name: str
    size: int

    def make(self, shape: Shape) -> nn.Module:
        """Return the pooling."""
        return nn.AdaptiveAvgPool2d(self.size)

    def output_shape(self, shape: Shape) -> Shape:
        """Return channels × size × size."""
        return (shape[0], self.size, self.size)


@dataclass(frozen=True)
class Linear:
    """A fully connected layer; its input is flattened."""

    name: str
    features: int

    def make(self, shape: Shape) -> nn.Module:
        """Return the layer for `shape[0]` input features."""
        return nn.Linear(shape[0], self.features)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the number of features."""
        return (self.features,)


class _SameShape:
    """Base of the rows whose output has the shape of their input."""

    def output_shape(self, shape: Shape) -> Shape:
        """Return `shape`."""
        return shape


@dataclass(frozen=True)
class Activation(_SameShape):
    """An elementwise nonlinearity: relu, sigmoid or tanh. The row's name begins with it."""

    name: str
    function: str = "relu"

    def with_function(self, function: str) -> Activation:
        """Return the row with another function, renamed after it."""
        return Activation(self.name.replace(self.function, function), function)

    def make(self, shape: Shape) -> nn.Module:
        """Return the nonlinearity."""
        return ACTIVATIONS[self.function]()


@dataclass(frozen=True)
class ResponseNorm(_SameShape):
    """Local response normalisation as in Krizhevsky et al. 2012, section 3.3, with the paper's constants.

    The paper divides by (k + α Σ a²)^β with α = 1e-4 over n = 5 maps; torch writes α/n, hence 5e-4.
    """

    name: str

    def make(self, shape: Shape) -> nn.Module:
        """Return the normalisation over 5 neighbouring maps."""
        return nn.LocalResponseNorm(size=5, alpha=5e-4, beta=0.75, k=2.0)


@dataclass(frozen=True)
class BatchNorm(_SameShape):
    """Batch normalisation of each map (Ioffe and Szegedy 2015); `eps` is added to the variance."""

    name: str
    eps: float = 1e-5

    def make(self, shape: Shape) -> nn.Module:
        """Return the normalisation for `shape[0]` maps."""
        return nn.BatchNorm2d(shape[0], eps=self.eps)


@dataclass(frozen=True)
class Dropout(_SameShape):
    """Dropout; the default probability is that of Krizhevsky et al. 2012."""

    name: str
    probability: float = 0.5

    def make(self, shape: Shape) -> nn.Module:
        """Return the dropout."""
        return nn.Dropout(self.probability)


def classifier(num_classes: int) -> Table:
    """Return the classifier of AlexNet's paper, which ZFNet and VGG share: 4096–4096–`num_classes` with dropout."""
    return (
        Linear("fc6", 4096),
        Activation("relu6"),
        Dropout("drop6"),
        Linear("fc7", 4096),
        Activation("relu7"),
        Dropout("drop7"),
        Linear("fc8", num_classes),
    )
