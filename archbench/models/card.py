"""Model cards: what a builder states about its model, in an attribute `card`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast


class Card(Protocol):
    """The attributes of a builder's `card`."""

    @property
    def title(self) -> str:
        """The model's name as written in text."""

    @property
    def year(self) -> int:
        """The year of its paper."""

    @property
    def paper(self) -> str:
        """Authors, title and venue of its paper."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one sample."""

    @property
    def differences(self) -> str:
        """How the model differs from the paper's."""

    @property
    def reported_top5_error_percent(self) -> float | None:
        """The published top-5 error of a single network."""

    @property
    def reported_protocol(self) -> str | None:
        """The protocol by which that error was measured."""


def card_of(builder: object, arguments: dict[str, Any]) -> Card | None:
    """Return a builder's card, for its arguments if the builder has a function `card_of(**arguments)`."""
    own_card_of = getattr(builder, "card_of", None)
    return cast("Card | None", getattr(builder, "card", None) if own_card_of is None else own_card_of(**arguments))


def reported_error(card: Card | None, input_shape: Sequence[int]) -> float | None:
    """Return the published top-5 error, in percent, of a model on samples of a shape.

    None if there is none, or the shape is not the card's, for which the error was measured.
    """
    if card is None or tuple(input_shape) != tuple(card.input_shape):
        return None
    return card.reported_top5_error_percent
