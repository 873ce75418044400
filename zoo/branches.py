"""Rows with branches: parallel paths from one input, whose outputs are concatenated or added.

The layers of all branches are direct children of the block's module, so that a layer's name is the block's and its
own, such as `inception_3a.3x3_reduce`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's documentation writes F

from zoo.blocks import Activation, AdaptivePool, Row, Shape, Table, sequence


def output_shape_of(table: Table, shape: Shape) -> Shape:
    """Return the output shape of consecutive rows for inputs of `shape`."""
    for row in table:
        shape = row.output_shape(shape)
    return shape


@dataclass(frozen=True)
class Inception:
    """Branches whose output maps are concatenated (Szegedy et al. 2014, figure 2b)."""

    name: str
    branches: tuple[Table, ...]

    def changed(self, change: Callable[[Table], Table]) -> Inception:
        """Return the row with every table in it changed."""
        return replace(self, branches=tuple(map(change, self.branches)))

    def tables(self) -> tuple[Table, ...]:
        """Return the tables in the row."""
        return self.branches

    def make(self, shape: Shape) -> nn.Module:
        """Return the block for inputs of `shape`."""
        return InceptionModule([sequence(branch, shape) for branch in self.branches])

    def output_shape(self, shape: Shape) -> Shape:
        """Return the sum of the branches' channels × the size that they share."""
        shapes = [output_shape_of(branch, shape) for branch in self.branches]
        return (sum(channels for channels, *_ in shapes), *shapes[0][1:])


@dataclass(frozen=True)
class Residual:
    """A branch to whose output the block's input is added, before a last activation (He et al. 2015, figure 2).

    An empty `shortcut` is the identity; None leaves out the addition, which gives the plain network.
    """

    name: str
    branch: Table
    shortcut: Table | None = ()
    after: Table = (Activation("relu"),)

    def changed(self, change: Callable[[Table], Table]) -> Residual:
        """Return the row with every table in it changed."""
        shortcut = None if self.shortcut is None else change(self.shortcut)
        return replace(self, branch=change(self.branch), shortcut=shortcut, after=change(self.after))

    def tables(self) -> tuple[Table, ...]:
        """Return the tables in the row."""
        return (self.branch, self.shortcut or (), self.after)

    def make(self, shape: Shape) -> nn.Module:
        """Return the block for inputs of `shape`, a chain of the same layers without the addition."""
        if self.shortcut is None:
            return sequence((*self.branch, *self.after), shape)
        after = sequence(self.after, self.output_shape(shape))
        return ResidualBlock(sequence(self.branch, shape), sequence(self.shortcut, shape), after)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the branch's output shape."""
        return output_shape_of(self.branch, shape)


@dataclass(frozen=True)
class ZeroPad:
    """A shortcut without parameters: every `stride`-th position, with zeros for the maps that are missing."""

    name: str
    channels: int
    stride: int

    def make(self, shape: Shape) -> nn.Module:
        """Return the shortcut for `shape[0]` maps."""
        return ZeroPadding(self.channels - shape[0], self.stride)

    def output_shape(self, shape: Shape) -> Shape:
        """Return channels × the number of positions that are kept."""
        return (self.channels, *(-(-size // self.stride) for size in shape[1:]))


@dataclass(frozen=True)
class Auxiliary:
    """A classifier beside the network, in training only (Szegedy et al. 2014, section 5).

    Its first row pools to the grid that its linear layers are made for; where it does not, adaptive pooling does.
    """

    name: str
    table: Table
    grid: int

    def changed(self, change: Callable[[Table], Table]) -> Auxiliary:
        """Return the row with the table in it changed."""
        return replace(self, table=change(self.table))

    def tables(self) -> tuple[Table, ...]:
        """Return the table in the row."""
        return (self.table,)

    def make(self, shape: Shape) -> nn.Module:
        """Return the classifier for inputs of `shape`."""
        pool, *others = self.table
        if pool.output_shape(shape)[1:] != (self.grid, self.grid):
            pool = AdaptivePool(pool.name, self.grid)
        return sequence((pool, *others), shape)

    def output_shape(self, shape: Shape) -> Shape:
        """Return `shape`: the network goes on with what the classifier sees."""
        return shape


Block = Inception | Residual | Auxiliary


def network(table: Table, input_shape: Shape) -> nn.Sequential:
    """Return the rows of `table` as one module, which in training also returns the scores of auxiliary classifiers."""
    layers = sequence(table, input_shape)
    auxiliary = {row.name for row in table if isinstance(row, Auxiliary)}
    return WithAuxiliary(layers, auxiliary) if auxiliary else layers


def all_rows(table: Table) -> Iterator[Row]:
    """Yield the rows of a table and, after each block, those in it."""
    for row in table:
        yield row
        if isinstance(row, Block):
            for inner in row.tables():
                yield from all_rows(inner)


class _Block(nn.Module):
    """A module whose direct children are the layers of several paths."""

    def _add_path(self, layers: nn.Module) -> list[str]:
        """Adopt the layers of a path and return their names."""
        names = []
        for name, layer in layers.named_children():
            assert name not in self._modules, f"two layers are called {name}"
            self.add_module(name, layer)
            names.append(name)
        return names

    def _along(self, path: list[str], x: Tensor) -> Tensor:
        for name in path:
            x = getattr(self, name)(x)
        return x


class InceptionModule(_Block):
    """Parallel paths, N×C×H×W -> N×ΣCᵢ×H×W."""

    def __init__(self, branches: list[nn.Module]) -> None:
        super().__init__()
        self._paths = [self._add_path(branch) for branch in branches]

    def forward(self, x: Tensor) -> Tensor:
        """Return the concatenated outputs of the paths."""
        return torch.cat([self._along(path, x) for path in self._paths], dim=1)


class ResidualBlock(_Block):
    """A path and a shortcut, whose outputs are added; a shortcut without layers is the identity."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module, after: nn.Module) -> None:
        super().__init__()
        self._branch = self._add_path(branch)
        self._shortcut = self._add_path(shortcut)
        self._after = self._add_path(after)

    def forward(self, x: Tensor) -> Tensor:
        """Return N×C'×H'×W' for `x` of N×C×H×W."""
        y = self._along(self._branch, x)
        y += self._along(self._shortcut, x)
        return self._along(self._after, y)


class WithAuxiliary(nn.Sequential):
    """A chain with classifiers beside it: in training the scores are a tuple, the network's own first."""

    def __init__(self, layers: nn.Sequential, auxiliary: Collection[str]) -> None:
        super().__init__(OrderedDict(layers.named_children()))
        self._auxiliary = frozenset(auxiliary)

    def forward(self, x: Tensor) -> Any:
        """Return N×classes in evaluation, a tuple of such scores in training."""
        scores = []
        for name, layer in self.named_children():
            if name not in self._auxiliary:
                x = layer(x)
            elif self.training:
                scores.append(layer(x))
        return (x, *scores) if self.training else x


class ZeroPadding(nn.Module):
    """Every `stride`-th position, followed by `channels` maps of zeros."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.channels = channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Return N×(C + channels)×⌈H/stride⌉×⌈W/stride⌉ for `x` of N×C×H×W."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.channels))

    def extra_repr(self) -> str:
        """Return what the module's text shows."""
        return f"channels={self.channels}, stride={self.stride}"
