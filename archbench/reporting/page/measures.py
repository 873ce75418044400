"""The small multiples of a report: each measure of all models, as bars on a scale that the models share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from archbench.analyze.layers import LayerTable
from archbench.reporting.page.contents import ReportContents
from archbench.store.records import Configuration, Result
from archbench.units import format_bytes, format_count, format_float, format_measure

Unit = Literal["count", "bytes", "rate", "percent"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure with a value for each model, None where it is not known.

    `noun` names it in a sentence, as in `twice its parameters`; `note` states its conditions.
    """

    title: str
    noun: str
    unit: Unit
    values: tuple[float | None, ...]
    note: str = ""

    @property
    def is_percent(self) -> bool:
        """Whether models are compared by differences instead of ratios."""
        return self.unit == "percent"

    @property
    def is_count(self) -> bool:
        """Whether this counts parameters or MACs."""
        return self.unit == "count"

    def text(self, number: int) -> str:
        """Return a model's value with its unit; a dash where it is not known."""
        value = self.values[number]
        if value is None:
            return "–"
        match self.unit:
            case "count":
                return format_count(value)
            case "bytes":
                return format_bytes(value)
            case "rate":
                return f"{format_measure(value)}/s"
        return f"{format_float(value)}%"

    def share(self, number: int) -> float:
        """Return a model's value as a fraction of the largest."""
        most = max((value for value in self.values if value is not None), default=0)
        return round((self.values[number] or 0) / most, 4) if most else 0.0


def measures(contents: ReportContents, tables: Sequence[LayerTable]) -> list[Measure]:
    """Return each measure that at least one model has a value of."""
    totals = [table.totals for table in tables]
    errors = tuple(model.reported_error for model in contents.models)
    every = [
        Measure("Parameters", "parameters", "count", tuple(total.params for total in totals)),
        Measure("MACs", "MACs", "count", tuple(total.macs for total in totals), "one sample"),
        Measure(
            "Peak memory",
            "peak memory",
            "bytes",
            tuple(total.peak_inference_bytes for total in totals),
            "inference, one sample",
        ),
        *_rates(contents),
        Measure("Top-5 error", "top-5 error", "percent", errors, "as published, a single network on ImageNet"),
    ]
    return [measure for measure in every if any(measure.values)]


def _rates(contents: ReportContents) -> Iterator[Measure]:
    """Yield the rates measured under the same conditions, else those predicted for the report's device."""
    conditions, rates = _measured(contents.results)
    named = tuple(rates.get((model.stored_name, model.stored_input)) for model in contents.models)
    if any(named):
        yield Measure("Measured rate", "measured rate", "rate", named, conditions)
    elif contents.device is not None:
        times = [sum(row.time_s for row in model.roofline or ()) for model in contents.models]
        yield Measure(
            "Predicted rate",
            "predicted rate",
            "rate",
            tuple(1 / time if time else None for time in times),
            f"{contents.device.title}, inference, one sample, fp32",
        )


def _measured(results: Sequence[Result]) -> tuple[str, dict[tuple[str, str], float]]:
    """Return the conditions under which most models were measured in inference, and the newest rate of each there."""
    groups: defaultdict[tuple[Configuration, str], dict[tuple[str, str], float]] = defaultdict(dict)
    for result in results:  # newest first
        own = result.configuration
        if result.status == "ok" and own.mode == "eval" and result.images_per_s:
            conditions = replace(own, model="", input_shape=""), result.machine
            groups[conditions].setdefault((own.model, own.input_shape), result.images_per_s)
    if not groups:
        return "", {}
    best = max(groups, key=lambda conditions: len(groups[conditions]))
    own = best[0]
    compiled = ", compiled" if own.compiled else ""
    return f"{own.device}, inference, batch {own.batch}, {own.dtype}, {own.layout}{compiled}", groups[best]
