"""A result that is a sequence of records with the table that reports them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from archbench.reporting.result import TableResult
from archbench.reporting.table import Table

Record = TypeVar("Record")


@dataclass(frozen=True, repr=False)
class RecordTable(TableResult, Generic[Record]):
    """Records, one per row, and their table."""

    rows: tuple[Record, ...]
    table: Table

    def to_table(self) -> Table:
        """Return the table."""
        return self.table
