"""From what a user typed to a counted model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from archbench.errors import ForwardError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archbench.address import Card
    from archbench.analyze.comparison import ModelRow
    from archbench.api import Summary
    from cli.options import Mode


@dataclass(frozen=True, slots=True)
class Counted:
    """A model's summary under the address it was asked for, and its card if it has one."""

    summary: Summary
    card: Card | None

    def row(self) -> ModelRow:
        """Return the model's row in a comparison."""
        from archbench.analyze.comparison import comparison_row

        summary, card = self.summary, self.card
        return comparison_row(
            summary.model,
            summary.totals,
            title=card.title if card else "",
            year=card.year if card else None,
            input_shape=summary.inputs[0],
            reported_top5_error_percent=card.reported_top5_error_percent if card else None,
        )


def count(address: str, inputs: Sequence[str] | None, batch: int, mode: Mode) -> Counted:
    """Return the summary of the model at `address`, on the inputs given or on its card's.

    Raises AddressError, InputError, or ForwardError with advice on what input would work.
    """
    from archbench.address import find
    from archbench.api import summarize
    from archbench.inputs import InputSpec, advice, parse_input

    specs = [parse_input(text) for text in inputs or ()]
    source = find(address)
    usual = None if source.card is None else source.card.input_shape
    if not specs:
        if usual is None:
            raise InputError(f"{address} has no usual input; say one, such as --input 3x224x224")
        specs = [InputSpec(usual)]
    model = source.build()
    try:
        summary = summarize(model, tuple(spec.tensor(batch) for spec in specs), mode.value)
    except ForwardError as error:
        hint = advice(model, specs, usual)
        raise ForwardError(f"{address}: {error}{f'; {hint}' if hint else ''}") from error
    return Counted(replace(summary, model=address), source.card)


def warnings(counted: Counted) -> list[str]:
    """Return what must be said beside a summary's numbers: what was not counted, not used, or really computed."""
    summary = counted.summary
    said = []
    if summary.uncounted:
        calls = ", ".join(f"{name} ({times}×)" for name, times in sorted(summary.uncounted.items()))
        said.append(f"{summary.model}: uncounted, their cost is in no figure: {calls}")
    if summary.unread:
        said.append(f"{summary.model}: no operator read the parameters of {', '.join(summary.unread)}")
    if summary.real_data_reason:
        said.append(f"{summary.model}: run on real data, because {summary.real_data_reason}")
    return said
