"""Builders: functions that return a module, made from a function that returns a table."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from torch import nn

from zoo.blocks import AdaptivePool, Shape, Table, classifier_start, features_shape
from zoo.branches import network
from zoo.card import Card
from zoo.initialisation import Scheme, initialise
from zoo.variants import (
    HEADS,
    require_choice,
    with_activation,
    with_dropout,
    with_norm,
    with_overlap,
    with_pooling,
    with_small_head,
)


class Builder:
    """A function that returns a module: it has the name, docstring and signature of one.

    `card` describes the model that it returns by default. Keyword-only parameters of `table` are switches of its own.
    """

    def __init__(
        self,
        table: Callable[..., Table],
        card: Card,
        paper_init: Scheme,
        num_classes: int,
        response_after: Collection[str],
    ) -> None:
        functools.update_wrapper(self, table)
        self.__doc__ = f"{inspect.getdoc(table)}\n\n{inspect.getdoc(Builder.__call__)}"
        self.__signature__ = _signature(self.__call__, table, num_classes)
        self.card = card
        self._table = table
        self._paper_init = paper_init
        self._num_classes = num_classes
        self._response_after = response_after

    def __repr__(self) -> str:
        return f"<builder {self._table.__module__}.{self._table.__qualname__}: {self.card.title}, {self.card.year}>"

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
        **own: object,
    ) -> nn.Module:
        """Arguments that are None keep what the paper has.

        Args:
            num_classes: Number of outputs.
            activation: Function of every activation: `relu`, `sigmoid` or `tanh`.
            pooling: Kind of every pooling layer: `average` or `max`.
            overlap: Whether pooling windows are larger than their stride.
            dropout: Whether there is dropout, or its probability.
            norm: Normalisation: `batch` after each convolution, `response` (local response) or `none`.
            head: `paper`, or `small` with 512 features in each hidden linear layer.
            in_channels: Number of channels of the images.
            size: Height and width of the images in pixels. Where the classifier's input would differ from the
                paper's, average pooling to the paper's size is inserted; a small head takes it as it comes.
            init: Initialisation: `kaiming`, `paper`, `torch` or `xavier`.
            **own: Switches that only this architecture has.

        Raises:
            ValueError: For an invalid value, or one for which the network has no place.
        """
        for name, count in (("in_channels", in_channels), ("size", size)):
            if count is not None:
                _require_count(name, count)
        require_choice("head", head, HEADS)
        published = self._table(self._num_classes if num_classes is None else num_classes, **own)
        table = published
        if norm is not None:
            table = with_norm(table, norm, self._response_after)
        if head == "small":
            table = with_small_head(table)
        if dropout is not None:
            table = with_dropout(table, dropout)
        if overlap is not None:
            table = with_overlap(table, overlap)
        if pooling is not None:
            table = with_pooling(table, pooling)
        if activation is not None:
            table = with_activation(table, activation)
        shape = self._input_shape(in_channels, size)
        features = _require_features(table, shape)
        own_features = features_shape(published, self.card.input_shape)
        if head == "paper" and own_features is not None and features != own_features:
            start = classifier_start(table)
            table = (*table[:start], AdaptivePool("avgpool", own_features[-1]), *table[start:])
        return initialise(network(table, shape), init, self._paper_init)

    def card_of(self, **arguments: Any) -> Card:
        """Return the card of the module that the same arguments give.

        A variant has its own input shape, and no reported error: that was measured on another network.
        """
        has_paper_classes = arguments.get("num_classes") in (None, self._num_classes)
        if has_paper_classes and arguments.keys() <= {"num_classes", "init"}:
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
    card: Card, *, paper_init: Scheme, num_classes: int = 1000, response_after: Collection[str] = ()
) -> Callable[[Callable[..., Table]], Builder]:
    """Decorate a function from a number of classes to a table, and make it a builder of modules.

    Keyword-only parameters of the function are switches of this architecture. `num_classes` is the paper's.
    `norm="response"` adds local response normalisation after the layers named by `response_after`, unless the table has
    such rows.
    """
    return lambda table: Builder(table, card, paper_init, num_classes, response_after)


def _signature(call: Callable[..., nn.Module], table: Callable[..., Table], num_classes: int) -> inspect.Signature:
    """Return the signature of `call`, with the paper's number of classes and the switches of `table` itself."""
    shared = inspect.signature(call)
    classes, *others, _ = shared.parameters.values()
    own = [p for p in inspect.signature(table).parameters.values() if p.kind is inspect.Parameter.KEYWORD_ONLY]
    classes = classes.replace(default=num_classes, annotation=type(num_classes).__name__)
    return shared.replace(parameters=[classes, *others, *own])


def _require_count(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a positive integer, not {value!r}")


def _require_features(table: Table, shape: Shape) -> Shape:
    """Return the classifier's input shape. Raises ValueError with the least size if the images are too small."""
    features = features_shape(table, shape)
    if features is None:
        channels, size, _ = shape
        least = next(n for n in itertools.count(size + 1) if features_shape(table, (channels, n, n)) is not None)
        raise ValueError(f"size must be at least {least} for this network, not {size}")
    return features
