"""The models that are installed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from archbench.models.address import find, model_names
from archbench.reporting.result import TableResult
from archbench.reporting.table import Table
from archbench.reporting.tables.model import models_table

_FIELDS = ("title", "year", "input_shape", "reported_top5_error_percent", "reported_protocol", "paper", "differences")


@dataclass(frozen=True)
class ModelCard:
    """One installed model: its name, and what its card states; None where it has no card."""

    name: str
    title: str | None
    year: int | None
    input_shape: tuple[int, ...] | None
    reported_top5_error_percent: float | None
    reported_protocol: str | None
    paper: str | None
    differences: str | None


@dataclass(frozen=True, repr=False)
class ModelCards(TableResult, Sequence[ModelCard]):
    """The cards of all installed models, as a sequence."""

    cards: tuple[ModelCard, ...]

    def to_table(self) -> Table:
        """Return one row per model."""
        return models_table(self.cards)

    def __len__(self) -> int:
        return len(self.cards)

    def __iter__(self) -> Iterator[ModelCard]:
        return iter(self.cards)

    @overload
    def __getitem__(self, index: int) -> ModelCard: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ModelCard]: ...
    def __getitem__(self, index: int | slice) -> ModelCard | Sequence[ModelCard]:
        return self.cards[index]


def list_models() -> ModelCards:
    """Return the cards of the models that can be named without a path, sorted by name."""
    cards = {name: find(name).card for name in model_names()}
    return ModelCards(
        tuple(ModelCard(name, *(getattr(card, field, None) for field in _FIELDS)) for name, card in cards.items())
    )
