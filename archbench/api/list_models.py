"""The models that are installed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from archbench.errors import UsageError, choose
from archbench.models.address import find, is_pattern
from archbench.models.library_builders import usual_input
from archbench.models.library_names import LIBRARIES
from archbench.models.patterns import addresses
from archbench.reporting.result import TableResult
from archbench.reporting.table import Table
from archbench.reporting.tables.model import models_table

_FIELDS = ("title", "year", "input_shape", "reported_top5_error_percent", "reported_protocol", "paper", "differences")


@dataclass(frozen=True)
class ModelCard:
    """One installed model: its address, and what its card states; None where it has no card.

    For a model of a library only `input_shape` is known, where the library states it.
    """

    name: str
    title: str | None = None
    year: int | None = None
    input_shape: tuple[int, ...] | None = None
    reported_top5_error_percent: float | None = None
    reported_protocol: str | None = None
    paper: str | None = None
    differences: str | None = None


@dataclass(frozen=True, repr=False)
class ModelCards(TableResult, Sequence[ModelCard]):
    """The cards of installed models, as a sequence."""

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


def list_models(pattern: str | None = None, source: str | None = None) -> ModelCards:
    """Return the cards of models that can be named without a path.

    Args:
        pattern: Only models whose names match, such as `"vgg*"`; a word without `*` or `[` matches names that contain
            it. `"torchvision:resnet*"` is short for `"resnet*"` with `source="torchvision"`.
        source: `"torchvision"` or `"timm"`; the zoo and other installed packages by default. No model is built.

    Raises UsageError for another source, AddressError, with the nearest name, if no model matches or the source is not
    installed.
    """
    place, _, name = (pattern or "").rpartition(":")
    if source is not None:
        choose("source", source, LIBRARIES)
        if place not in ("", source):
            raise UsageError(f"{{source}} and '{pattern}' name different sources; leave one out", source=source)
        place = source
    word = name if is_pattern(name) else f"*{name}*" if name else "*"
    return ModelCards(tuple(_card(place, address) for address in addresses(f"{place}:{word}" if place else word)))


def _card(place: str, address: str) -> ModelCard:
    if not place:
        card = find(address).card
        return ModelCard(address, *(getattr(card, field, None) for field in _FIELDS))
    name = address.rpartition(":")[2]
    return ModelCard(address, input_shape=usual_input(place, name) if place in LIBRARIES else None)
