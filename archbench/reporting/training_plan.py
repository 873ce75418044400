"""The result of `archbench.train_plan`: what a run would train, and how long it would take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archbench.reporting.result import TableResult
from archbench.reporting.table import Column, Table
from archbench.reporting.tables.comparison_text import resolution_text
from archbench.training.config import AUTO
from archbench.training.messages import rates_to_try
from archbench.training.prepare import Prepared
from archbench.training.resolution import planned_resolution
from archbench.training.time_estimate import ExpectedTime
from archbench.units import format_dimensions, format_time

_COLUMNS = (
    Column("model", "Model", "text", 0),
    Column("input_shape", "Input", "text", 6),
    Column("initialisation", "Weights", "text", 2),
    Column("learning_rate", "Rate", "text", 3),
    Column("batch", "Batch", "plain", 7),
    Column("steps", "Steps", "integer", 1),
    Column("seeds", "Seeds", "plain", 4),
    Column("search_s", "Search", "time", 5),
    Column("time_s", "Time", "time", 0),
)


@dataclass(frozen=True, repr=False)
class TrainingPlan(TableResult):
    """A run that is not trained: one row per model; `search_s` and `time_s`, with the search, cover all seeds."""

    prepared: Prepared
    times: Mapping[str, ExpectedTime]

    @property
    def time_s(self) -> float:
        """The expected time of the whole run."""
        return sum(times.total_s(len(self.prepared.config.seeds)) for times in self.times.values())

    def to_table(self) -> Table:
        """Return one row per model, with the number of seeds that would show small differences below."""
        data = self.prepared.data
        rates = rates_to_try(self.prepared.config)
        return Table(
            columns=_COLUMNS,
            rows=[self._row(model) for model in self.prepared.config.models],
            title=f"{data.name}: {len(data.train):,} training and {len(data.test):,} test images",
            notes=(
                f"About {format_time(self.time_s)} in all; {rates}.",
                resolution_text(planned_resolution(len(data.test))),
            ),
            caveats=tuple(filter(None, (data.caveat,))),
        )

    def _row(self, model: str) -> dict[str, Any]:
        config, info, times = self.prepared.config, self.prepared.models[model], self.times[model]
        rate = AUTO if config.learning_rate == AUTO else f"{config.recipe_of(model).learning_rate:g}"
        return {
            "model": model,
            "input_shape": format_dimensions(info.input_shape),
            "initialisation": info.initialisation,
            "learning_rate": rate,
            "batch": config.batch_of(model),
            "steps": config.steps_of(model, len(self.prepared.data.train)),
            "seeds": len(config.seeds),
            "search_s": times.search_s,
            "time_s": times.total_s(len(config.seeds)),
        }
