"""From what a user typed to a model that can be counted or traced."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from archbench.errors import ForwardError, InputError
from archbench.precision import PRECISIONS, Precision
from cli.output import note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from archbench.analyze.compare import ModelRow
    from archbench.api.summary import Summary
    from archbench.models.address import Card, Source
    from archbench.models.inputs import InputSpec
    from archbench.trace.optimizer_step import Optimizer
    from archbench.trace.records import Trace
    from cli.options import Mode

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Counted:
    """A model's summary under the address it was asked for, and its card if it has one."""

    summary: Summary
    card: Card | None

    def row(self) -> ModelRow:
        """Return the model's row in a comparison."""
        from archbench.analyze.compare import comparison_row
        from archbench.models.address import reported_error

        summary, card = self.summary, self.card
        shape = summary.inputs[0] if summary.inputs else ()
        return comparison_row(
            summary.model,
            summary.totals,
            title=card.title if card else "",
            year=card.year if card else None,
            input_shape=shape,
            reported_top5_error_percent=reported_error(card, shape[1:]),
        )


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model, built, and what it is run on: the inputs given, its own example or its usual input."""

    source: Source
    specs: Sequence[InputSpec]
    model: nn.Module
    precision: Precision

    def summary(self, batch: int, mode: Mode) -> Summary:
        """Return its summary under its address."""
        from archbench.api.summary import summarize

        summary = self._run(lambda inputs: summarize(self.model, inputs, mode.value), batch)
        return replace(summary, model=self.source.address)

    def trace(self, batch: int, mode: Mode, optimizer: Optimizer | None) -> Trace:
        """Return its trace in the precision that it was loaded in; in training with the optimizer's update."""
        from archbench.trace.tracer import trace

        dtype = self.precision.autocast_dtype
        return self._run(
            lambda inputs: trace(self.model, inputs, mode=mode.value, optimizer=optimizer, autocast_dtype=dtype), batch
        )

    def _run(self, job: Callable[[Any], Result], batch: int) -> Result:
        """Do something with the inputs of a batch. Raises ForwardError with advice on what input would work."""
        from archbench.models.inputs import advice

        source = self.source
        try:
            given = tuple(spec.tensor(batch) for spec in self.specs)
            return job(self._converted(given or _example(source, batch)))
        except ForwardError as error:
            hint = advice(self.model, self.specs, source.input_shape)
            told = ForwardError(f"{source.address}: {error}{f'; {hint}' if hint else ''}")
            raise source.blame(told, error.__cause__ or error) from error

    def _converted(self, inputs: Any) -> Any:
        """Return the inputs with floating-point numbers in the model's precision."""
        if self.precision.model == "float32":
            return inputs
        from archbench.trace.pytree import map_tensors

        dtype = self.precision.model_dtype
        return map_tensors(inputs, lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)


def load(
    address: str, inputs: Sequence[str] | None, precision: Precision = PRECISIONS["fp32"], checkpoint: str | None = None
) -> Loaded:
    """Return the model at `address`, in a precision, with parts of it made checkpoints if asked for.

    Raises AddressError, InputError or UsageError.
    """
    from archbench.models.address import find
    from archbench.models.inputs import specs_of

    _collect_garbage_from_now_on()
    source = find(address)
    specs = specs_of(address, inputs or (), source.input_shape, has_example=source.example_inputs is not None)
    model = source.build()
    if not all(parameter.is_meta for parameter in model.parameters()):
        note(f"{address}: built on real memory, because its builder reads values")
    if precision.model != "float32":
        model = model.to(precision.model_dtype)
    if checkpoint is not None:
        from archbench.trace.activation_checkpointing import checkpoint_modules

        checkpoint_modules(model, checkpoint)
    return Loaded(source, specs, model, precision)


def count(address: str, inputs: Sequence[str] | None, batch: int, mode: Mode) -> Counted:
    """Return the summary of the model at `address`, on the inputs given, its own example or its usual input.

    Raises AddressError, InputError, or ForwardError with advice on what input would work.
    """
    loaded = load(address, inputs)
    return Counted(loaded.summary(batch, mode), loaded.source.card)


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
