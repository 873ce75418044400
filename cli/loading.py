"""From what a user typed to a counted model."""

from __future__ import annotations

import gc
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from archbench.errors import ForwardError, InputError
from cli.output import note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archbench.address import Card, Source
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
            input_shape=summary.inputs[0] if summary.inputs else (),
            reported_top5_error_percent=card.reported_top5_error_percent if card else None,
        )


def count(address: str, inputs: Sequence[str] | None, batch: int, mode: Mode) -> Counted:
    """Return the summary of the model at `address`, on the inputs given, its own example or its usual input.

    Raises AddressError, InputError, or ForwardError with advice on what input would work.
    """
    from archbench.address import find
    from archbench.api import summarize
    from archbench.inputs import InputSpec, advice, parse_input

    _collect_garbage_from_now_on()
    specs = [parse_input(text) for text in inputs or ()]
    source = find(address)
    if not specs and source.example_inputs is None:
        if source.input_shape is None:
            raise InputError(f"{address} has no usual input; say one, such as --input 3x224x224")
        specs = [InputSpec(source.input_shape)]
    model = source.build()
    try:
        given = tuple(spec.tensor(batch) for spec in specs)
        summary = summarize(model, given or _example(source, batch), mode.value)
    except ForwardError as error:
        hint = advice(model, specs, source.input_shape)
        told = ForwardError(f"{address}: {error}{f'; {hint}' if hint else ''}")
        raise source.blame(told, error.__cause__ or error) from error
    if not all(parameter.is_meta for parameter in model.parameters()):
        note(f"{address}: built on real memory, because its builder reads values")
    return Counted(replace(summary, model=address), source.card)


def _collect_garbage_from_now_on() -> None:
    """End what `main` began: collect again, but never look through what was imported."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def _example(source: Source, batch: int) -> Any:
    """Return what the user's own `example_inputs` makes."""
    assert source.example_inputs is not None, "asked for only where there is one"
    try:
        return source.example_inputs(batch)
    except (Exception, SystemExit) as error:  # whatever the user's own code raises is told with its own lines
        told = InputError(f"{source.address}: example_inputs({batch}) fails: {type(error).__name__}: {error}")
        raise source.blame(told, error) from error
