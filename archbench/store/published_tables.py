"""The part of a store that holds published figures: they are added by file, and never mix with measured results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from archbench.store.file import StoreFile
from archbench.store.published import COLUMNS, SINCE, TABLES, Figure, PublishedAccuracy, PublishedRate
from archbench.store.rows import from_row, insert, plain, to_row

Record = TypeVar("Record", PublishedRate, PublishedAccuracy)


class PublishedTables(StoreFile):
    """The published figures of a store. Filters are keyword arguments named after fields; None matches any value."""

    def replace_published(self, figures: Sequence[Figure]) -> None:
        """Add the figures of files, in place of those that earlier versions of the same files had."""
        with self.translated("write to"), self.transaction():
            for source in {figure.source for figure in figures}:
                for table in TABLES.values():
                    self.connection.execute(f"DELETE FROM {table} WHERE source = ?", (plain(source),))
            self._insert(figures)

    def insert_new_published(self, figures: Sequence[Figure]) -> None:
        """Insert the figures of files that the store has nothing of; needs a transaction."""
        known = {figure.source for figure in self.published()}
        self._insert([figure for figure in figures if figure.source not in known])

    def published(self) -> list[Figure]:
        """Return all figures, in the order of their files' names, within a file in the order of its rows."""
        return [*self.published_rates(), *self.published_accuracies()]

    def published_rates(self, **wanted: Any) -> list[PublishedRate]:
        """Return the rates that match, in the order of their files' names, within a file in the order of its rows."""
        return self._published(PublishedRate, wanted)

    def published_accuracies(self, **wanted: Any) -> list[PublishedAccuracy]:
        """Return the accuracies that match, in the same order."""
        return self._published(PublishedAccuracy, wanted)

    def _insert(self, figures: Sequence[Figure]) -> None:
        for record, table in TABLES.items():
            rows = [to_row(figure) for figure in figures if isinstance(figure, record)]
            self.connection.executemany(insert(table, COLUMNS[record]), rows)

    def _published(self, record: type[Record], wanted: dict[str, Any]) -> list[Record]:
        values = {name: plain(value) for name, value in wanted.items() if value is not None}
        where = " AND ".join(f"{name} = :{name}" for name in values) or "TRUE"
        query = f"SELECT {', '.join(COLUMNS[record])} FROM {TABLES[record]} WHERE {where} ORDER BY source, id"
        with self.translated("read"):
            if self.is_empty() or self.pragma("user_version") < SINCE:
                return []
            rows = self.connection.execute(query, values).fetchall()
        with self.damage_reported("a published figure"):
            return [from_row(record, dict(row)) for row in rows]
