"""An architecture: a table with its card, and how a module is built from it with any idea exchanged."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from zoo.blocks import AdaptivePool, Shape, Table, classifier_start, features_shape, sequence
from zoo.card import Card
from zoo.choices import require_count
from zoo.initialisation import Scheme, initialise
from zoo.variants import Switches, switched

# Arguments that leave a network what it was published as; of the classes, as many as the paper's.
_AS_PUBLISHED = {"num_classes", "init"}


@dataclass(frozen=True)
class Architecture:
    """A builder of modules: a function from a number of classes to a table, its card and its paper's initialisation.

    `norm` is the normalisation of the paper: `response` where the table has its rows, `batch` or `none`.
    `num_classes` is the paper's number of classes.
    """

    table: Callable[[int], Table]
    card: Card
    paper_init: Scheme
    norm: str
    num_classes: int

    def __call__(
        self,
        num_classes: int | None = None,
        *,
        activation: str | None = None,
        pooling: str | None = None,
        overlap: bool | None = None,
        dropout: bool | float | None = None,
        norm: str | None = None,
        head: str = "paper",
        in_channels: int | None = None,
        size: int | None = None,
        init: str = "kaiming",
    ) -> nn.Module:
        """Return the module; what is None is as in the paper. Raises ValueError for a value that is no choice.

        `activation` to `head` are the switches of `zoo.variants`. `size` is the height and width of the images, and
        `in_channels` their channels. Where the classifier would get another grid than the paper's, average pooling
        to that grid is put before it, so that its layers stay what they are; a small head takes the grid that comes.
        """
        switches = Switches(self.norm if norm is None else norm, activation, pooling, overlap, dropout, head)
        for name, count in (("in_channels", in_channels), ("size", size)):
            if count is not None:
                require_count(name, count)
        own = self.table(self.num_classes if num_classes is None else num_classes)
        shape = self._input_shape(in_channels, size)
        table = switched(own, switches)
        grid = _require_grid(table, shape)
        wanted = features_shape(own, self.card.input_shape)
        if head == "paper" and wanted is not None and grid != wanted:
            start = classifier_start(table)
            table = (*table[:start], AdaptivePool("avgpool", wanted[-1]), *table[start:])
        return initialise(sequence(table, shape), init, self.paper_init)

    def card_of(self, **arguments: Any) -> Card:
        """Return the card of the module that the same arguments give: of a variant its own input, and no error."""
        has_paper_classes = arguments.get("num_classes") in (None, self.num_classes)
        if has_paper_classes and arguments.keys() <= _AS_PUBLISHED:
            return self.card
        return replace(
            self.card,
            input_shape=self._input_shape(arguments.get("in_channels"), arguments.get("size")),
            reported_top5_error_percent=None,
            reported_protocol=None,
        )

    def _input_shape(self, in_channels: int | None, size: int | None) -> Shape:
        channels, height, width = self.card.input_shape
        return (in_channels or channels, size or height, size or width)


def architecture(
    card: Card, *, paper_init: Scheme, norm: str = "none", num_classes: int = 1000
) -> Callable[[Callable[[int], Table]], Architecture]:
    """Make a function from a number of classes to a table the builder of the modules that `Architecture` gives."""

    def make(table: Callable[[int], Table]) -> Architecture:
        return Architecture(table, card, paper_init, norm, num_classes)

    return make


def _require_grid(table: Table, shape: Shape) -> Shape:
    """Return the volume before the classifier. Raises ValueError with the least size where an image is too small."""
    grid = features_shape(table, shape)
    if grid is None:
        channels, size, _ = shape
        least = next(n for n in itertools.count(size + 1) if features_shape(table, (channels, n, n)) is not None)
        raise ValueError(f"size is at least {least} here, not {size}")
    return grid
