"""The contents of a report: records that were counted, measured and judged elsewhere."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archbench.analyze.claims import Judged
from archbench.analyze.performance.estimate import RooflineRow
from archbench.hardware.device import Device
from archbench.models.card import Card, reported_error
from archbench.store.records import Result
from archbench.trace.records import Trace
from archbench.units import format_integer

if TYPE_CHECKING:
    from archbench.reporting.page.training import ReportRun


@dataclass(frozen=True, slots=True)
class ReportModel:
    """One model of a report.

    `trace` is of one sample in mode `eval`. Its measurements are stored under `stored_name` and `stored_input`; both
    are empty for a module without an address, which has none.
    `roofline` has its layers on the report's device, None without a device.
    """

    address: str
    stored_name: str
    stored_input: str
    card: Card | None
    trace: Trace
    roofline: Sequence[RooflineRow] | None = None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of the first input, without the batch."""
        return self.trace.inputs[0].shape[1:] if self.trace.inputs else ()

    @property
    def reported_error(self) -> float | None:
        """The published top-5 error in percent; None if there is none for this input."""
        return reported_error(self.card, self.input_shape)


@dataclass(frozen=True, slots=True)
class ReportContents:
    """Everything that a report shows; None or an empty sequence where there is no data.

    `environment` is that of the process that makes the report, at `made_at`. `inputs` are given shapes, empty for the
    models' usual inputs. `results` come newest first; `num_results_left_out` older ones are not shown.
    """

    models: Sequence[ReportModel]
    made_at: str
    environment: Mapping[str, Any]
    device: Device | None = None
    inputs: Sequence[str] = ()
    results: Sequence[Result] = ()
    num_results_left_out: int = 0
    claims: Sequence[Judged] = ()
    run: ReportRun | None = None

    @property
    def input_options(self) -> str:
        """The options that give another command the same inputs, with a leading space; empty for the usual inputs."""
        return "".join(f" --input {shlex.quote(text)}" for text in self.inputs)

    @property
    def newest_of(self) -> str:
        """The share of results shown, as in `the newest 2,000 of 5,000`; empty where all are."""
        shown, left_out = len(self.results), self.num_results_left_out
        return f"the newest {format_integer(shown)} of {format_integer(shown + left_out)}" if left_out else ""
