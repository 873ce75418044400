"""From what a user typed to a model that can be counted or traced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from archbench.precision import PRECISIONS, Precision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archbench.analyze.compare import ModelRow
    from archbench.api.summary import Summary
    from archbench.models.card import Card
    from archbench.models.loaded import LoadedModel
    from cli.options import Mode


@dataclass(frozen=True, slots=True)
class Counted:
    """A model's summary under the address it was asked for, and its card if it has one."""

    summary: Summary

    @property
    def card(self) -> Card | None:
        """The model's card."""
        return self.summary.card

    def row(self) -> ModelRow:
        """Return the model's row in a comparison."""
        from archbench.api.compare import row_of

        return row_of(self.summary)


def load(
    address: str, inputs: Sequence[str] | None, precision: Precision = PRECISIONS["fp32"], checkpoint: str | None = None
) -> LoadedModel:
    """Return the model at `address`, in a precision, with parts of it made checkpoints if asked for."""
    from archbench.models.loaded import load_model

    return load_model(address, inputs, dtype=precision.name, checkpoint=checkpoint)


def count(address: str, inputs: Sequence[str] | None, batch: int, mode: Mode) -> Counted:
    """Return the summary of the model at `address`, on the inputs given, its own example or its usual input."""
    from archbench.api.summary import summarize

    return Counted(summarize(address, inputs, batch=batch, mode=mode))
