"""What is known about a model besides its layers, and the mark that makes a function its builder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

Function = TypeVar("Function", bound=Callable[..., object])


@dataclass(frozen=True)
class Card:
    """A model's paper, input and published error.

    `input_shape` is that of one sample. `reported_top5_error_percent` is of a single network on ImageNet 2012, by
    `reported_protocol`; None where no such figure was published. `differences` says where the model departs from
    its paper.
    """

    title: str
    year: int
    paper: str
    input_shape: tuple[int, ...]
    differences: str
    reported_top5_error_percent: float | None = None
    reported_protocol: str | None = None


def described_by(card: Card) -> Callable[[Function], Function]:
    """Attach `card` to a builder, where the toolkit looks for it: `builder.card`."""

    def attach(builder: Function) -> Function:
        builder.card = card  # type: ignore[attr-defined]  # functions take attributes; the type system has no word for it
        return builder

    return attach
