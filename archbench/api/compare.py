"""Several models side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archbench.analyze.compare import ModelRow, comparison_row
from archbench.analyze.depth import to_depth
from archbench.analyze.growth import Sweep
from archbench.api.compare_stored import fastest_measured, newest_trained, published_figures
from archbench.api.names import named_models, shared_inputs
from archbench.api.prediction import numbers_of
from archbench.api.summary import Summary, summary_of
from archbench.api.sweep import sweep_models
from archbench.errors import UsageError, nearest
from archbench.models.card import reported_error
from archbench.models.loaded import Inputs, Model, load_model
from archbench.reporting.arrangement import Arrangement, column_names
from archbench.reporting.result import TableResult, View
from archbench.reporting.table import Table
from archbench.reporting.tables.batches import with_batches
from archbench.reporting.tables.model import comparison_table
from archbench.reporting.tables.modules import modules_table
from archbench.reporting.tables.sweep import growth_records, with_sweep
from archbench.trace.attention import Attention
from archbench.trace.tracer import Mode

if TYPE_CHECKING:
    from archbench.store.published_figures import ModelFigures
    from archbench.store.records import Result
    from archbench.store.trainings import TrainingResult


@dataclass(frozen=True, repr=False)
class Comparison(TableResult):
    """One row per model, with the summaries they come from; `baseline` is the index of the row ratios refer to.

    `measured` and `trained` are the best stored results by model, `published` imported figures of others; None where
    they were not asked for. `sweep` has the swept value of each row and how the totals grow, None without a sweep.
    """

    rows: tuple[ModelRow, ...]
    summaries: tuple[Summary, ...]
    baseline: int
    measured: Mapping[str, Result] | None = None
    trained: Mapping[str, TrainingResult] | None = None
    published: Mapping[str, ModelFigures] | None = None
    sweep: Sweep | None = None

    def to_table(self) -> Table:
        """Return the comparison as it is reported."""
        batches = self._batches()
        table = comparison_table(
            self.rows,
            baseline=self.baseline,
            batch=batches[0] if len(set(batches)) == 1 else None,
            mode=self.summaries[0].mode,
            notes=_protocols(self.rows),
            caveats=[caveat for summary in self.summaries for caveat in summary.caveats],
            measured=self.measured,
            trained=self.trained,
            published=self.published,
        )
        if self.sweep is not None:
            return with_sweep(table, self.sweep)
        return table if len(set(batches)) == 1 else with_batches(table, batches)

    def _batches(self) -> list[int]:
        return [summary.batch for summary in self.summaries]

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

        Raises UsageError for a column that the table does not have, a depth or number that is not one, or a depth
        where stored results of models were asked for.
        """
        if not percent and all(each is None for each in (depth, top, sort, columns)):
            return self
        arrangement = Arrangement(top, sort, column_names(columns), percent and depth is None)
        return View(self, arrangement.apply(self.to_table() if depth is None else self._modules(depth, percent)))

    def _modules(self, depth: int, percent: bool) -> Table:
        if len(set(self._batches())) > 1:
            raise UsageError("{depth} shows the modules of one {batch}", depth=depth, batch=...)
        for name in ("measured", "trained", "published"):
            if getattr(self, name) is not None:
                raise UsageError(
                    f"{{{name}}} has figures of models only; leave {{depth}} out", **{name: True}, depth=...
                )
        first = self.summaries[0]
        return modules_table(
            [
                (name, to_depth(summary.table, depth))
                for name, summary in zip(self._row_names(), self.summaries, strict=True)
            ],
            batch=first.batch,
            mode=first.mode,
            percent=percent,
            caveats=self.caveats,
        )

    def _row_names(self) -> list[str]:
        """Return the model of each row, in a sweep with the swept value."""
        models = [row.model for row in self.rows]
        if self.sweep is None:
            return models
        return [f"{model}, {self.sweep.name} {value}" for model, value in zip(models, self.sweep.values, strict=True)]

    def to_dict(self) -> list[dict[str, Any]]:
        """Return one dict per row; in a sweep with the polynomials of the row's model."""
        records: list[dict[str, Any]] = super().to_dict()
        if self.sweep is None:
            return records
        growth = {model: growth_records(each) for model, each in self.sweep.growth.items()}
        return [{**record, "growth": growth[record["model"]]} for record in records]

    def __repr__(self) -> str:
        swept = "" if self.sweep is None else f", {self.sweep.name} swept"
        return f"<Comparison of {', '.join(dict.fromkeys(row.model for row in self.rows))}{swept}>"


def compare(
    models: Model | Sequence[Model] | Mapping[str, Model],
    inputs: Inputs = None,
    *,
    batch: int | Sequence[int] = 1,
    mode: Mode = "eval",
    baseline: str | None = None,
    attention: Attention = "auto",
    measured: bool = False,
    trained: bool = False,
    published: bool = False,
    device: str | None = None,
    source: str | None = None,
    store: str | Path | None = None,
    sweep: str | None = None,
) -> Comparison:
    """Return one row per model, in the order given; in a sweep one per model and swept value.

    Args:
        models: A module or an address, a sequence of those, or a mapping from the names of rows to those.
        inputs: As for `archbench.summarize`; each model's usual input by default.
        batch: The number of samples if `inputs` are not tensors, or several: then one row per model and batch.
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
        sweep: `"size=64..512"` counts square images of each size, `"length=128..8192"` sequences of each length (the
            first dimension after the batch), `"width=32,48,64"` the model built with each value of an argument. A
            range doubles. Inputs give the other dimensions. Totals that are polynomials in the swept value are in
            `.sweep.growth`, with exact coefficients.

    Raises UsageError for a baseline that is not among the models, a device or source without published rates, or a
    sweep that a model does not have; and what `archbench.summarize` raises, in a sweep if no model runs with any value.

    >>> archbench.compare("torchvision:vgg16", sweep="size=64..512").sweep.growth["torchvision:vgg16"]["macs"]
    """
    for name, value in (("device", device), ("source", source)):
        if value is not None and not published:
            raise UsageError(f"{{{name}}} requires {{published}}", **{name: value, "published": True})
    if store is not None and not (measured or trained or published):
        raise UsageError(
            "{store} requires {measured}, {trained} or {published}",
            store=store,
            measured=...,
            trained=...,
            published=...,
        )
    named = named_models(models)
    names = [name for name, _ in named]
    if baseline is not None and baseline not in names:
        raise UsageError(f"{{baseline}} is not one of {', '.join(names)}{nearest(baseline, names)}", baseline=baseline)
    batches = numbers_of("batch", batch)
    if sweep is not None:
        if len(batches) > 1:
            raise UsageError("{sweep} takes one batch, not {batch}", sweep=..., batch=batches)
        for name, is_asked in (("measured", measured), ("trained", trained), ("published", published)):
            if is_asked:  # they are of one input
                raise UsageError(f"{{{name}}} has no effect with {{sweep}}", **{name: True, "sweep": ...})
        summaries, swept = sweep_models(named, inputs, sweep, batch=batches[0], mode=mode, attention=attention)
        rows = tuple(map(row_of, summaries))
        first = next((i for i, row in enumerate(rows) if row.model == baseline), 0)
        return Comparison(rows, summaries, first, sweep=swept)
    loaded = [replace(load_model(model, inputs, attention=attention), name=name) for name, model in named]
    with shared_inputs(inputs, len(loaded)):
        if len(batches) > 1 and any(model.tensors is not None for model in loaded):
            raise UsageError("{batch} has no effect on tensors, which have their own", batch=batches)
        summaries = tuple(summary_of(model, size, mode) for model in loaded for size in batches)
    return Comparison(
        rows=tuple(map(row_of, summaries)),
        summaries=summaries,
        baseline=0 if baseline is None else names.index(baseline) * len(batches),
        measured=fastest_measured(loaded, inputs, mode, store) if measured else None,
        trained=newest_trained(loaded, store) if trained else None,
        published=published_figures(loaded, summaries, device, source, store) if published else None,
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


def _protocols(rows: Iterable[ModelRow]) -> list[str]:
    """Return a sentence on how reported errors were measured, if a row has one."""
    if all(row.reported_top5_error_percent is None for row in rows):
        return []
    return ["Errors: as published, each by the protocol that 'archbench list' has."]
