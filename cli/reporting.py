"""What `archbench report` puts together: models counted, what is measured and trained of them, claims judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.options import Mode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from archbench.analyze.claims import Judged
    from archbench.devices.catalogue import Device
    from archbench.report.page.material import Material, Subject
    from archbench.report.page.run_folder import TrainingRun
    from archbench.store.records import Result

# Of the newest; more would be no page to read.
MOST_RESULTS = 2000


def gather(
    models: Sequence[str], inputs: Sequence[str] | None, device: str | None, store: Path | None, run: Path | None
) -> Material:
    """Return all that a report shows.

    Raises AddressError, InputError, DeviceError, StoreError or ForwardError for what is not there or does not fit.
    """
    from datetime import UTC, datetime

    from archbench.devices.catalogue import find_device
    from archbench.measure.environment import environment
    from archbench.report.page.material import Material

    place = None if device is None else find_device(device)
    # What is quickly found out to be wrong comes before what takes a while.
    trained = None if run is None else _training(run)
    subjects = [_subject(model, inputs, place) for model in models]
    return Material(
        subjects=subjects,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        environment=environment("cpu"),
        device=place,
        results=_results([subject.kept_as for subject in subjects], store),
        claims=_claims(set(models)),
        run=trained,
    )


def _training(folder: Path) -> TrainingRun:
    from archbench.report.page.run_folder import read_training

    return read_training(folder)


def _subject(model: str, inputs: Sequence[str] | None, place: Device | None) -> Subject:
    from archbench.analyze.efficiency import stated_efficiency
    from archbench.analyze.estimate import roofline_rows
    from archbench.analyze.roofline import Conditions
    from archbench.measure.sweep import resolved
    from archbench.precision import PRECISIONS
    from archbench.report.page.material import Subject
    from cli.loading import load

    loaded = load(model, inputs)
    trace = loaded.trace(1, Mode.eval, None)
    rows = None
    if place is not None:
        efficiency = stated_efficiency(place, is_fused=False).value
        rows = roofline_rows(trace, Conditions(place, PRECISIONS["fp32"], efficiency))
    return Subject(model, resolved(model), loaded.source.card, trace, rows)


def _results(names: Sequence[str], path: Path | None) -> list[Result]:
    """Return what is measured of models, the newest first; a store that was named must be there."""
    from archbench.store.database import Filter, Store, default_path
    from cli.output import note

    store = Store(path or default_path(), for_reading=True)
    if path is None and not store.exists():
        return []
    with store:
        found = [result for name in names for result in store.results(Filter(model=name), limit=MOST_RESULTS)]
    found.sort(key=lambda result: result.started_at, reverse=True)
    if len(found) > MOST_RESULTS:
        note(f"the newest {MOST_RESULTS} of {len(found)} results are shown")
    return found[:MOST_RESULTS]


def _claims(models: set[str]) -> list[Judged]:
    """Return the verdicts on published figures of these models alone, with any number of classes."""
    from archbench.analyze.claims import models_of
    from cli.verify import claims_of, judged

    chosen = [
        claim
        for claim in claims_of(None)
        if all(name in models or name.partition("@")[0] in models for name in models_of(claim))
    ]
    return judged(chosen)
