"""What a report is made from: records that were counted, measured and judged elsewhere."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archbench.analyze.claims import Judged
from archbench.analyze.performance.estimate import RooflineRow
from archbench.hardware.device import Device
from archbench.models.address import Card, reported_error
from archbench.store.records import Result
from archbench.trace.records import Trace
from archbench.units import format_integer

if TYPE_CHECKING:
    from archbench.reporting.page.training import TrainingRun


@dataclass(frozen=True, slots=True)
class Subject:
    """One model of a report.

    `trace` is of one sample in mode `eval`, `kept_as` the name and `kept_input` the input under which its measurements
    are stored, `roofline` its layers on the report's device, None where none was named.
    """

    address: str
    kept_as: str
    kept_input: str
    card: Card | None
    trace: Trace
    roofline: Sequence[RooflineRow] | None = None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one sample of the first input."""
        return self.trace.inputs[0].shape[1:] if self.trace.inputs else ()

    @property
    def reported_error(self) -> float | None:
        """The published top-5 error in percent, None where there is none for this input."""
        return reported_error(self.card, self.input_shape)


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that a report shows. None, or an empty sequence, is what there is nothing of.

    `environment` is that of the process which makes the report, at `made_at`; `inputs` are those that were asked for
    in place of the models' usual ones. `results` are the newest first, `num_older_results` those there was no room for.
    """

    subjects: Sequence[Subject]
    made_at: str
    environment: Mapping[str, Any]
    device: Device | None = None
    inputs: Sequence[str] = ()
    results: Sequence[Result] = ()
    num_older_results: int = 0
    claims: Sequence[Judged] = ()
    run: TrainingRun | None = None

    @property
    def input_options(self) -> str:
        """What gives another command the same inputs, with a space before it; empty for the usual ones."""
        return "".join(f" --input {shlex.quote(text)}" for text in self.inputs)

    @property
    def newest_of(self) -> str:
        """Which results are shown, where not all are: `the newest 2,000 of 5,000`; else empty."""
        shown, left_out = len(self.results), self.num_older_results
        return f"the newest {format_integer(shown)} of {format_integer(shown + left_out)}" if left_out else ""
