"""Report on models as one page of HTML."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from archbench.analyze.claims import models_of
from archbench.analyze.performance.estimate import roofline_rows
from archbench.analyze.performance.rate_basis import rate_basis
from archbench.analyze.performance.roofline import Conditions
from archbench.api.claims import judge_claims, load_claims
from archbench.api.names import unique_name
from archbench.api.prediction import device_of
from archbench.errors import UsageError
from archbench.files import is_descriptor, write_whole
from archbench.host.environment import environment
from archbench.measure.bench.sweep import input_shape
from archbench.models.identity import resolved
from archbench.models.loaded import Inputs, LoadedModel, Model, input_texts, load_model
from archbench.models.patterns import expanded
from archbench.reporting.charts.save import require_libraries
from archbench.reporting.page.contents import ReportContents, ReportModel
from archbench.reporting.page.training import read_run
from archbench.reporting.training_run import TrainingRun
from archbench.store.database import Store

if TYPE_CHECKING:
    from archbench.analyze.claims import Judged
    from archbench.hardware.device import Device
    from archbench.store.records import Result

# Newest results on a page; more would be too long to read.
MOST_RESULTS = 2000

_FRAME = '<iframe srcdoc="{page}" style="width: 100%; height: 80vh; border: 0" title="archbench report"></iframe>'
_LOG = logging.getLogger("archbench")


@dataclass(frozen=True, repr=False)
class Report:
    """A page of tables, charts, drawings, derivations, measurements and trainings; `contents` has its records."""

    contents: ReportContents

    @cached_property
    def html(self) -> str:
        """The page, which loads nothing from the network."""
        require_libraries()
        from archbench.reporting.page.build import report_page

        return report_page(self.contents)

    def save(self, path: str | Path = "report.html") -> None:
        """Write the page, whole or not at all.

        Raises UsageError for a path that does not end in .html, OutputError if it cannot be written.
        """
        if not is_descriptor(Path(path)):
            require_html(Path(path))
        # A byte of a file name that is not UTF-8 becomes a question mark.
        write_whole(Path(path), self.html.encode("utf-8", "replace"))

    def __repr__(self) -> str:
        names = ", ".join(model.address for model in self.contents.models)
        return f"<Report on {names}: {len(self.contents.results)} measurements>"

    def _repr_html_(self) -> str:
        return _FRAME.format(page=escape(self.html))


def report(
    models: Model | Sequence[Model],
    *,
    inputs: Inputs = None,
    device: str | None = None,
    store: str | Path | None = None,
    run: str | Path | TrainingRun | None = None,
) -> Report:
    """Return a report on models: everything counted, and what is stored of their measurements.

    Args:
        models: A module or an address, or a sequence of those. Measurements are stored by address: a module has none.
        inputs: As for `archbench.summarize`; each model's usual input by default.
        device: Add the rooflines of a device; see `archbench.devices`.
        store: Where results are stored; the user's own store by default, if there is one.
        run: A training run, or its folder.

    Raises AddressError, InputError, DeviceError, StoreError, UsageError or ForwardError.

    >>> archbench.report(["alexnet", "vgg16"], device="h200").save("report.html")
    """
    place = device_of(device)
    coefficients: Mapping[str, float] = {}
    if place is not None:
        coefficients = rate_basis(place, mode="eval", dtype="fp32", layout="nchw", is_compiled=False).coefficients
    # What fails quickly comes before what takes long.
    trained = None if run is None else read_run(run.path if isinstance(run, TrainingRun) else Path(run))
    counted: dict[str, ReportModel] = {}
    for model in dict.fromkeys(expanded([models] if isinstance(models, (str, nn.Module)) else models)):
        loaded = load_model(model, inputs)
        name = unique_name(loaded.name, counted)
        counted[name] = _counted(name, loaded, input_texts(inputs), place, coefficients)
    results, num_results = _results(list(counted.values()), None if store is None else Path(store))
    if num_results > len(results):
        _LOG.info("the newest %s of %s results are shown", len(results), num_results)
    return Report(
        ReportContents(
            models=list(counted.values()),
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            environment=environment("cpu"),
            device=place,
            inputs=input_texts(inputs),
            results=results,
            num_results_left_out=num_results - len(results),
            claims=_claims(set(counted)),
            run=trained,
        )
    )


def require_html(path: Path) -> None:
    """Raise UsageError, with a path that fits, for one that does not end in .html."""
    if path.suffix.lower() != ".html":
        # `.`, `..` and `/` have no name of their own.
        fitting = path.with_suffix(".html") if path.name.strip(".") else path / "report.html"
        raise UsageError(f"{{output}} does not end in .html; try {fitting}", output=path)


def _counted(
    name: str, loaded: LoadedModel, shapes: Sequence[str], place: Device | None, coefficients: Mapping[str, float]
) -> ReportModel:
    trace = loaded.trace(optimizer=None)
    rows = None if place is None else roofline_rows(trace, Conditions(place, loaded.precision, coefficients))
    source = loaded.source
    stored = ("", "") if source is None else (resolved(source.address), input_shape(source, shapes))
    return ReportModel(name, *stored, loaded.card, trace, rows)


def _results(models: Sequence[ReportModel], path: Path | None) -> tuple[list[Result], int]:
    """Return the newest results of models on their inputs, newest first, and the number of all of them.

    A store that was named must exist.
    """
    store = Store(path, for_reading=True)
    if path is None and not store.exists():
        return [], 0
    # Each once: two addresses can name one model.
    addressed = [model for model in models if model.stored_name]
    wanted = dict.fromkeys((model.stored_name, model.stored_input) for model in addressed)
    filters: list[dict[str, str]] = [{"model": model, "input_shape": shape} for model, shape in wanted]
    with store:
        results = [result for each in filters for result in store.results(limit=MOST_RESULTS, **each)]
        num_results = sum(store.count(**each) for each in filters)
    results.sort(key=lambda result: result.started_at, reverse=True)
    return results[:MOST_RESULTS], num_results


def _claims(models: set[str]) -> list[Judged]:
    """Return the verdicts on claims about these models alone, with any number of classes."""
    return judge_claims(
        [
            claim
            for claim in load_claims()
            if all(name in models or name.partition("@")[0] in models for name in models_of(claim))
        ]
    )
