"""Several models side by side."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from archbench.analyze.compare import ModelRow, comparison_row
from archbench.analyze.depth import to_depth
from archbench.api.names import named_models
from archbench.api.summary import Summary, summary_of
from archbench.errors import UsageError, nearest
from archbench.models.address import Source
from archbench.models.card import reported_error
from archbench.models.identity import resolved
from archbench.models.loaded import Inputs, LoadedModel, Model, input_texts, load_model
from archbench.reporting.arrangement import Arrangement, column_names
from archbench.reporting.result import TableResult, View
from archbench.reporting.table import Table
from archbench.reporting.tables.model import comparison_table
from archbench.reporting.tables.modules import modules_table
from archbench.trace.attention import Attention
from archbench.trace.tracer import Mode

if TYPE_CHECKING:
    from archbench.store.published_figures import ModelFigures
    from archbench.store.records import Result
    from archbench.store.trainings import TrainingResult

_LOG = logging.getLogger("archbench")


@dataclass(frozen=True, repr=False)
class Comparison(TableResult):
    """One row per model, with the summaries they come from; `baseline` is the index of the row ratios refer to.

    `measured` and `trained` are the best stored results by model, `published` imported figures of others; None where
    they were not asked for.
    """

    rows: tuple[ModelRow, ...]
    summaries: tuple[Summary, ...]
    baseline: int
    measured: Mapping[str, Result] | None = None
    trained: Mapping[str, TrainingResult] | None = None
    published: Mapping[str, ModelFigures] | None = None

    def to_table(self) -> Table:
        """Return the comparison as it is reported."""
        first = self.summaries[0]
        return comparison_table(
            self.rows,
            baseline=self.baseline,
            batch=first.batch,
            mode=first.mode,
            notes=[note for pair in zip(self.rows, self.summaries, strict=True) for note in _protocol(*pair)],
            caveats=[caveat for summary in self.summaries for caveat in summary.caveats],
            measured=self.measured,
            trained=self.trained,
            published=self.published,
        )

    def view(
        self,
        *,
        depth: int | None = None,
        top: int | None = None,
        sort: str | None = None,
        columns: str | Sequence[str] | None = None,
        percent: bool = False,
    ) -> TableResult:
        """Return the same result with its table arranged otherwise.

        Args:
            depth: Show the modules of each model down to this depth; their rows sum to the model's.
            top: The number of rows with the largest values of `sort`, by default of MACs.
            sort: The column to sort by: numbers from the largest, text from A to Z.
            columns: The columns to keep, as `"params,macs"` or a list; the name is always the first.
            percent: With `depth`, add `params_percent` and `macs_percent`, each module's share of its model.

        Raises UsageError for a column that the table does not have, or a depth or number that is not one.
        """
        arrangement = Arrangement(top, sort, column_names(columns), percent and depth is None)
        return View(self, arrangement.apply(self.to_table() if depth is None else self._modules(depth, percent)))

    def _modules(self, depth: int, percent: bool) -> Table:
        first = self.summaries[0]
        return modules_table(
            [
                (row.model, to_depth(summary.table, depth))
                for row, summary in zip(self.rows, self.summaries, strict=True)
            ],
            batch=first.batch,
            mode=first.mode,
            percent=percent,
            caveats=self.caveats,
        )

    def __repr__(self) -> str:
        return f"<Comparison of {', '.join(row.model for row in self.rows)}>"


def compare(
    models: Model | Sequence[Model] | Mapping[str, Model],
    inputs: Inputs = None,
    *,
    batch: int = 1,
    mode: Mode = "eval",
    baseline: str | None = None,
    attention: Attention = "auto",
    measured: bool = False,
    trained: bool = False,
    published: bool = False,
    device: str | None = None,
    source: str | None = None,
    store: str | Path | None = None,
) -> Comparison:
    """Return one row per model, in the order given.

    Args:
        models: A module or an address, a sequence of those, or a mapping from the names of rows to those.
        inputs: As for `archbench.summarize`; each model's usual input by default.
        batch: The number of samples if `inputs` are not tensors.
        mode: `"train"` also counts the backward pass.
        baseline: The name of the model that ratios refer to; the first by default.
        attention: As for `archbench.summarize`.
        measured: Add the best rate that was measured on this machine and stored.
        trained: Add the accuracy of the newest stored training of each model.
        published: Add the rate that timm published for each model, under the same conditions for all, and the highest
            published top-1 accuracy of its weights, if imported: for the mode and the image size that are counted.
        device: The device of published rates; by default that with rates of most of the models, the fastest of those.
        source: Part of the name of the file that published rates are taken from, where a device has several.
        store: Where results are stored; the user's own store by default.

    Raises UsageError for a baseline that is not among the models, or a device or source without published rates; and
    what `archbench.summarize` raises.
    """
    for name, value in (("device", device), ("source", source)):
        if value is not None and not published:
            raise UsageError(f"{{{name}}} requires {{published}}", **{name: value, "published": True})
    named = named_models(models)
    names = [name for name, _ in named]
    if baseline is not None and baseline not in names:
        raise UsageError(f"{{baseline}} is not one of {', '.join(names)}{nearest(baseline, names)}", baseline=baseline)
    loaded = [replace(load_model(model, inputs, attention=attention), name=name) for name, model in named]
    summaries = tuple(summary_of(model, batch, mode) for model in loaded)
    return Comparison(
        rows=tuple(map(row_of, summaries)),
        summaries=summaries,
        baseline=0 if baseline is None else names.index(baseline),
        measured=_fastest_measured(loaded, inputs, mode, store) if measured else None,
        trained=_newest_trained(loaded, store) if trained else None,
        published=_published(loaded, summaries, device, source, store) if published else None,
    )


def row_of(summary: Summary) -> ModelRow:
    """Return a model's row in a comparison."""
    shape, card = summary.inputs[0] if summary.inputs else (), summary.card
    return comparison_row(
        summary.model,
        summary.totals,
        title=card.title if card else "",
        year=card.year if card else None,
        input_shape=shape,
        reported_top5_error_percent=reported_error(card, shape[1:]),
    )


def _fastest_measured(
    models: Sequence[LoadedModel], inputs: Inputs, mode: Mode, path: str | Path | None
) -> dict[str, Result]:
    """Return the fastest result of each model measured on this machine on the same input, if it is not out of date."""
    from archbench.host.machine import machine
    from archbench.measure.bench.sweep import input_shape, is_current
    from archbench.store.database import Store

    store = Store(path, for_reading=True)
    if not store.exists():
        _LOG.info("nothing was measured yet; 'archbench bench' measures")
        return {}
    fastest = {}
    with store:
        for name, source in _sources(models).items():
            shape = input_shape(source, input_texts(inputs))
            results = store.fastest(
                model=resolved(source.address), machine=machine(), status="ok", mode=mode, input_shape=shape
            )
            current = [result for result in results if is_current(result)]
            if current:
                fastest[name] = current[0]
            elif results:
                _LOG.info(
                    "%s, or what runs it, has changed since it was measured; 'archbench bench' does it again", name
                )
    return fastest


def _newest_trained(models: Sequence[LoadedModel], path: str | Path | None) -> dict[str, TrainingResult]:
    """Return the result of each model in the newest run that has it, on whatever data it was trained."""
    from archbench.store.database import Store

    store = Store(path, for_reading=True)
    if not store.exists():
        _LOG.info("nothing was trained yet; 'archbench train' trains")
        return {}
    with store:
        results = {
            name: store.trainings(resolved(source.address), limit=1) for name, source in _sources(models).items()
        }
    return {name: newest[0] for name, newest in results.items() if newest}


def _published(
    models: Sequence[LoadedModel],
    summaries: Sequence[Summary],
    device: str | None,
    source: str | None,
    path: str | Path | None,
) -> dict[str, ModelFigures]:
    """Return the published figures of each model that has any."""
    from archbench.api.published_figures import figures_by_model

    return figures_by_model(_sources(models), summaries, device=device, source=source, store=path)


def _sources(models: Sequence[LoadedModel]) -> dict[str, Source]:
    """Return where each model came from, of those that an address led to: results are stored by address."""
    return {model.name: model.source for model in models if model.source is not None}


def _protocol(row: ModelRow, summary: Summary) -> Iterator[str]:
    """Yield how a model's reported error was measured, if the row shows one."""
    if summary.card and summary.card.reported_protocol and row.reported_top5_error_percent is not None:
        yield f"{row.model}: reported error on {summary.card.reported_protocol}."
