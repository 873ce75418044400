"""The columns of a comparison for figures that others published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from archbench.reporting.table import Column

if TYPE_CHECKING:
    from archbench.store.published_figures import ModelFigures

PUBLISHED = (
    Column("published_device", "Pub. device", "text"),
    Column("published_dtype", "Pub. dtype", "text"),
    Column("published_layout", "Pub. layout", "text"),
    Column("published_compiled", "Pub. compiled", "text"),
    Column("published_torch", "Pub. torch", "text"),
    Column("published_batch", "Pub. batch", "plain", 7),
    Column("published_images_per_s", "Pub. img/s", "measure", 1),
    Column("published_source", "Pub. source", "text"),
    Column("published_top1", "Pub. top-1", "percent", 1),
    Column("published_weights", "Pub. weights", "text", 8),
)
_OF_ACCURACY = ("published_top1", "published_weights")


def published_cells(figures: ModelFigures | None) -> dict[str, Any]:
    """Return a model's cells by column; None where nothing is published."""
    rate, accuracy = (None, None) if figures is None else (figures.rate, figures.accuracy)
    return {
        name: getattr(accuracy if name in _OF_ACCURACY else rate, name.removeprefix("published_"), None)
        for name in (column.field for column in PUBLISHED)
    }


def published_note(figures: Mapping[str, ModelFigures]) -> list[str]:
    """Return a sentence that states the conditions, the same for all rates; none if nothing is published."""
    if not figures:
        return []
    rate = next((model.rate for model in figures.values() if model.rate is not None), None)
    conditions = "accuracies only" if rate is None else rate.conditions
    return [f"Pub.: published by timm, not measured here: {conditions}."]
