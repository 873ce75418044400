"""What a report is made from: records that were counted, measured and judged elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archbench.address import Card
from archbench.analyze.claims import Judged
from archbench.analyze.estimate import RooflineRow
from archbench.devices.catalogue import Device
from archbench.store.records import Result
from archbench.trace.records import Trace

if TYPE_CHECKING:
    from archbench.report.page.run_folder import TrainingRun


@dataclass(frozen=True, slots=True)
class Subject:
    """One model of a report.

    `trace` is of one sample in mode `eval`, `kept_as` the name under which its measurements are stored, `roofline` its
    layers on the report's device, None where none was named.
    """

    address: str
    kept_as: str
    card: Card | None
    trace: Trace
    roofline: Sequence[RooflineRow] | None = None


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that a report shows. None, or an empty sequence, is what there is nothing of.

    `environment` is that of the process which makes the report, at `made_at`; `results` are the newest first.
    """

    subjects: Sequence[Subject]
    made_at: str
    environment: Mapping[str, Any]
    device: Device | None = None
    results: Sequence[Result] = ()
    claims: Sequence[Judged] = ()
    run: TrainingRun | None = None
