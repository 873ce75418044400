"""What `archbench report` puts together: models counted, what is measured and trained of them, claims judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from archbench.analyze.claims import Judged
    from archbench.hardware.device import Device
    from archbench.reporting.page.contents import ReportContents, ReportModel
    from archbench.reporting.page.training import ReportRun
    from archbench.store.records import Result

# Of the newest; more would be no page to read.
MOST_RESULTS = 2000


def gather(
    models: Sequence[str], inputs: Sequence[str] | None, device: str | None, store: Path | None, run: Path | None
) -> ReportContents:
    """Return all that a report shows.

    Raises AddressError, InputError, DeviceError, StoreError or ForwardError for what is not there or does not fit.
    """
    from datetime import UTC, datetime

    from archbench.hardware.find import find_device
    from archbench.host.environment import environment
    from archbench.reporting.page.contents import ReportContents
    from cli.output import note

    place = None if device is None else find_device(device)
    # What is quickly found out to be wrong comes before what takes a while.
    trained = None if run is None else _training(run)
    subjects = [_subject(model, inputs, place) for model in models]
    results, num_results = _results(subjects, store)
    if num_results > len(results):
        note(f"the newest {len(results)} of {num_results} results are shown")
    return ReportContents(
        models=subjects,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        environment=environment("cpu"),
        device=place,
        inputs=inputs or (),
        results=results,
        num_results_left_out=num_results - len(results),
        claims=_claims(set(models)),
        run=trained,
    )


def _training(folder: Path) -> ReportRun:
    from archbench.reporting.page.training import read_run

    return read_run(folder)


def _subject(model: str, inputs: Sequence[str] | None, place: Device | None) -> ReportModel:
    from archbench.analyze.performance.efficiency import stated_efficiency
    from archbench.analyze.performance.estimate import roofline_rows
    from archbench.analyze.performance.roofline import Conditions
    from archbench.measure.bench.sweep import input_shape
    from archbench.models.identity import resolved
    from archbench.precision import PRECISIONS
    from archbench.reporting.page.contents import ReportModel
    from cli.loading import load

    loaded = load(model, inputs)
    trace = loaded.trace(1, "eval", None)
    rows = None
    if place is not None:
        efficiency = stated_efficiency(place, is_fused=False).value
        rows = roofline_rows(trace, Conditions(place, PRECISIONS["fp32"], efficiency))
    assert loaded.source is not None, "it was loaded from an address"
    stored_input = input_shape(loaded.source, inputs or ())
    return ReportModel(model, resolved(model), stored_input, loaded.source.card, trace, rows)


def _results(models: Sequence[ReportModel], path: Path | None) -> tuple[list[Result], int]:
    """Return the newest results of models on their inputs, the newest first, and how many there are of all ages.

    A store that was named must be there.
    """
    from archbench.store.database import Filter, Store, default_path

    store = Store(path or default_path(), for_reading=True)
    if path is None and not store.exists():
        return [], 0
    # Once each: two addresses may name one model.
    wanted = dict.fromkeys(Filter(model=model.stored_name, input_shape=model.stored_input) for model in models)
    with store:
        found = [result for each in wanted for result in store.results(each, limit=MOST_RESULTS)]
        num_results = sum(map(store.count, wanted))
    found.sort(key=lambda result: result.started_at, reverse=True)
    return found[:MOST_RESULTS], num_results


def _claims(models: set[str]) -> list[Judged]:
    """Return the verdicts on published figures of these models alone, with any number of classes."""
    from archbench.analyze.claims import models_of
    from cli.commands.verify import claims_of, judged

    chosen = [
        claim
        for claim in claims_of(None)
        if all(name in models or name.partition("@")[0] in models for name in models_of(claim))
    ]
    return judged(chosen)
