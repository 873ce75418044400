"""The published figures of models in a user's store, with rates of one device under the same conditions."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from archbench.errors import UsageError, nearest
from archbench.models.timm_names import timm_name
from archbench.store.database import Store
from archbench.store.published_figures import ModelFigures, RateTable, Subject, fullest, most_accurate, rate_tables

if TYPE_CHECKING:
    from archbench.api.summary import Summary
    from archbench.models.address import Source
    from archbench.store.published import PublishedAccuracy, PublishedRate
    from archbench.trace.tracer import Mode

_LOG = logging.getLogger("archbench")
NOT_IMPORTED = "nothing published was imported yet; 'archbench results --import timm:FILE.csv' imports timm's results"


@dataclass(frozen=True, slots=True)
class StoredFigures:
    """The imported rates of one mode and all accuracies."""

    mode: Mode
    rates: Sequence[PublishedRate] = ()
    accuracies: Sequence[PublishedAccuracy] = field(default=(), repr=False)

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self.rates or self.accuracies)

    def table(
        self, subjects: Collection[Subject] | None = None, *, device: str | None = None, source: str | None = None
    ) -> RateTable:
        """Return the rates of subjects in the file that has most of them, of several the fastest; note the others.

        Raises UsageError for a device without rates, or a source that is not part of the name of one of its files.
        """
        selected = _of_source(_of_device(self.rates, device, self.mode), source)
        tables = rate_tables(selected, subjects)
        chosen = fullest(tables)
        if chosen is None:
            return {}
        self._note_others(chosen, tables)
        return tables[chosen]

    def _note_others(self, chosen: str, tables: Mapping[str, RateTable]) -> None:
        devices = {name: next(iter(table.values())).device for name, table in tables.items()}
        others = sorted({device for device in devices.values() if device != devices[chosen]})
        sources = [name for name, device in devices.items() if device == devices[chosen] and name != chosen]
        options = (("--device", others), ("--source", sources))
        texts = [f"{option} {', '.join(names)}" for option, names in options if names]
        if texts:
            _LOG.info("published rates are those of %s; others: %s", chosen, "; ".join(texts))


def stored_figures(mode: Mode = "eval", store: str | Path | None = None) -> StoredFigures:
    """Return the published figures in a store; none if it does not exist. Raises StoreError."""
    opened = Store(store, for_reading=True)
    if not opened.exists():
        return StoredFigures(mode)
    with opened:
        return StoredFigures(mode, opened.published_rates(mode=mode), opened.published_accuracies())


def figures_by_model(
    sources: Mapping[str, Source],
    summaries: Sequence[Summary],
    *,
    device: str | None,
    source: str | None,
    store: str | Path | None,
) -> dict[str, ModelFigures]:
    """Return the published figures of each model that has any, for the mode and the image size it was counted with."""
    stored = stored_figures(summaries[0].mode, store)
    if not stored:
        _LOG.info(NOT_IMPORTED)
        return {}
    subjects = subjects_of(sources, summaries)
    rates = stored.table(set(subjects.values()), device=device, source=source)
    accuracies = most_accurate(stored.accuracies)
    figures = {model: ModelFigures(rates.get(subject), accuracies.get(subject)) for model, subject in subjects.items()}
    published = {model: own for model, own in figures.items() if own.rate or own.accuracy}
    if not published:
        _LOG.info(
            "nothing imported is published for these models at these image sizes; 'archbench results --import "
            "timm:FILE.csv' imports more"
        )
    return published


def subjects_of(sources: Mapping[str, Source], summaries: Sequence[Summary]) -> dict[str, Subject]:
    """Return what timm calls each model that it has."""
    subjects = {}
    for summary in summaries:
        source, size = sources.get(summary.model), _square_size(summary.inputs)
        name = timm_name(source.address) if source else None
        if name and size:
            subjects[summary.model] = Subject(name, size)
    return subjects


def _of_device(rates: Sequence[PublishedRate], device: str | None, mode: Mode) -> Sequence[PublishedRate]:
    devices = sorted({rate.device for rate in rates})
    if device is None or not devices:
        return rates
    if device not in devices:
        hint = nearest(device, devices, cutoff=0.6)
        raise UsageError(
            f"{{device}} has no published rate of mode {mode}; there are for {', '.join(devices)}{hint}", device=device
        )
    return [rate for rate in rates if rate.device == device]


def _of_source(rates: Sequence[PublishedRate], source: str | None) -> Sequence[PublishedRate]:
    selected = [rate for rate in rates if source is None or source in rate.source]
    if rates and not selected:
        names = ", ".join(sorted({rate.source for rate in rates}))
        raise UsageError(f"{{source}} is not part of the name of an imported file; there are {names}", source=source)
    return selected


def _square_size(inputs: Sequence[Sequence[int]]) -> int | None:
    """Return the pixels of the side of square images with three channels, None for other inputs."""
    shape = tuple(inputs[0]) if len(inputs) == 1 else ()
    return shape[2] if len(shape) == 4 and shape[1] == 3 and shape[2] == shape[3] else None
