"""The table of published rates and accuracies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from archbench.reporting.table import Column, Table
from archbench.reporting.tables.wording import listed, several
from archbench.store.published import Figure, PublishedRate

_COLUMNS = (
    Column("model", "Model", "text", 0),
    Column("weights", "Weights", "text", 5),
    Column("status", "Status"),
    Column("device", "Device", "text", 2),
    Column("mode", "Mode", "text", 6),
    Column("dtype", "Dtype", "text", 7),
    Column("layout", "Layout", "text", 8),
    Column("compiled", "Compiled", "text", 9),
    Column("torch", "torch", "text", 10),
    Column("img_size", "Image", "plain", 3),
    Column("batch", "Batch", "plain", 4),
    Column("images_per_s", "Images/s", "measure", 1),
    Column("top1", "Top-1", "percent", 1),
    Column("top5", "Top-5", "percent", 6),
    Column("source", "Source", "text"),
)


def published_table(figures: Sequence[Figure]) -> Table:
    """Return one row per figure; the note names the files that they come from."""
    rows = [{"status": "published", **asdict(figure)} for figure in figures]
    sources = list(dict.fromkeys(figure.source for figure in figures))
    return Table(
        columns=tuple(_shown_if_used(column, rows) for column in _COLUMNS),
        rows=rows,
        title=counted(figures),
        notes=(f"Published by timm, not measured here: {', '.join(sources)}.",) if sources else (),
    )


def counted(figures: Sequence[Figure]) -> str:
    """Return how many figures there are: `3 published rates and 1 published accuracy`."""
    rates = sum(isinstance(figure, PublishedRate) for figure in figures)
    accuracies = len(figures) - rates
    parts = [several(rates, "published rate")] if rates or not accuracies else []
    if accuracies:
        parts.append("1 published accuracy" if accuracies == 1 else f"{accuracies:,} published accuracies")
    return listed(parts)


def _shown_if_used(column: Column, rows: Sequence[dict[str, Any]]) -> Column:
    """Return a column that people see only where a row has a value."""
    is_used = any(row.get(column.field) is not None for row in rows)
    return column if is_used else replace(column, priority=None)
