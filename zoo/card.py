"""The card of a model: its paper, input and published error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

Function = TypeVar("Function", bound=Callable[..., object])


@dataclass(frozen=True)
class Card:
    """A model's paper, input and published error.

    `input_shape` is that of one sample. `reported_top5_error_percent` is a single network's on ImageNet 2012, measured
    by `reported_protocol`; both are None if no such figure was published. `differences` states where the model departs
    from its paper.
    """

    title: str
    year: int
    paper: str
    input_shape: tuple[int, ...]
    differences: str
    reported_top5_error_percent: float | None = None
    reported_protocol: str | None = None


def described_by(card: Card) -> Callable[[Function], Function]:
    """Decorate a builder with `card`, as the attribute `card` that the toolkit reads."""

    def attach(builder: Function) -> Function:
        builder.card = card  # type: ignore[attr-defined]  # mypy knows no attributes of functions
        return builder

    return attach
