"""A comparison of several batch sizes: the batch as a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archbench.reporting.table import Column, Table


def with_batches(table: Table, batches: Sequence[int]) -> Table:
    """Return a comparison with one row per model and batch; `batches` has the batch of each row."""
    first, *others = table.columns
    rows = [{**row, "batch": batch} for row, batch in zip(table.rows, batches, strict=True)]
    baseline = next((i for i, row in enumerate(table.rows) if row is table.baseline), None)
    at = "" if baseline is None else f" at batch {batches[baseline]}"
    columns = (first, Column("batch", "Batch", "integer", 1), *others)
    return replace(table, columns=columns, rows=rows, title=table.title + at, batch=None)
