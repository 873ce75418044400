"""The store of results: one SQLite file that several processes may write to at the same time.

with Store() as store:
    store.add(result)
    store.results(model="vgg16", status="ok")
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from archbench.errors import UsageError, nearest
from archbench.store import results, trainings
from archbench.store.published import Figure
from archbench.store.published_tables import PublishedTables
from archbench.store.records import Configuration, Result
from archbench.store.rows import plain, to_row
from archbench.store.trainings import TrainingResult

# Characters shown of a run id, and ids listed in an error.
_SHORT_ID = 8
_MOST_LISTED = 3

_NEWEST = "ORDER BY started_at DESC, id DESC"

# A value that a filter compares a column with.
Value = str | int | float | bool | None


class Store(PublishedTables):
    """A store of results, open within a `with` block; by default the user's own.

    A store that does not exist is created, one of an earlier version upgraded. `for_reading` requires an existing store
    and does not change it. Filters are keyword arguments named after fields of `Result` and `Configuration`; None
    matches any value. Every method raises StoreError, and leaves the store unchanged, if the file is not a store, the
    disk is full, or a newer version wrote it.
    """

    def add(self, result: Result) -> None:
        """Add a result; once this returns, it survives a crash of the process or the machine."""
        with self.translated("write to"), self.transaction():
            self.connection.execute(results.ADD, to_row(result))

    def results(self, *, limit: int | None = None, **wanted: Value) -> list[Result]:
        """Return the results that match, newest first, at most `limit` of them."""
        # SQLite takes a negative limit as none.
        return self._select(wanted, _NEWEST, limit=-1 if limit is None else limit)

    def count(self, **wanted: Value) -> int:
        """Return the number of results that match, without reading them."""
        where, values = _condition(wanted)
        with self.translated("read"):
            if self.is_empty():
                return 0
            return int(self.connection.execute(f"SELECT COUNT(*) FROM results WHERE {where}", values).fetchone()[0])

    def latest(self, configuration: Configuration, machine: str) -> Result | None:
        """Return the newest result of a configuration on a machine, whatever its status; None if there is none."""
        newest = self._select({**asdict(configuration), "machine": machine}, _NEWEST, limit=1)
        return newest[0] if newest else None

    def find(self, run_id: str) -> Result:
        """Return the result with that run_id, or the only one whose run_id begins with it.

        Raises UsageError, naming the nearest, if there is none or more than one.
        """
        with self.translated("read"):
            rows = [] if self.is_empty() else self.connection.execute("SELECT run_id FROM results").fetchall()
        ids = [str(row["run_id"]) for row in rows]
        matches = [run_id] if run_id in ids else [known for known in ids if known.startswith(run_id)]
        if not matches:
            hint = nearest(run_id, {known[: max(_SHORT_ID, len(run_id))] for known in ids})
            raise UsageError(f"there is no run '{run_id}'{hint or '; archbench results --format csv lists them'}")
        if len(matches) > 1:
            shown = ", ".join(match[: len(run_id) + _SHORT_ID] for match in sorted(matches)[:_MOST_LISTED])
            raise UsageError(f"{len(matches)} runs begin with '{run_id}', such as {shown}; give more characters")
        return self._select({"run_id": matches[0]}, _NEWEST, limit=1)[0]

    def fastest(self, **wanted: Value) -> list[Result]:
        """Return the results that match, fastest first, newest first among equals."""
        return self._select(wanted, "ORDER BY images_per_s DESC, started_at DESC", limit=-1)

    def add_new(
        self, measured: Sequence[Result], trained: Sequence[TrainingResult], published: Sequence[Figure] = ()
    ) -> tuple[int, int]:
        """Add what the store does not have yet, newest first; return how many results and trainings were added."""
        with self.translated("write to"), self.transaction():
            before = self.connection.total_changes
            # Oldest first, so that results of the same second keep their order.
            self.connection.executemany(
                f"{results.ADD} ON CONFLICT (run_id) DO NOTHING", map(to_row, reversed(measured))
            )
            between = self.connection.total_changes
            self.connection.executemany(trainings.ADD_NEW, map(to_row, reversed(trained)))
            after = self.connection.total_changes
            self.insert_new_published(published)
            return between - before, after - between

    def add_trainings(self, trained: Sequence[TrainingResult]) -> None:
        """Add the outcomes of a run's models, replacing earlier ones of the same run."""
        with self.translated("write to"), self.transaction():
            self.connection.executemany(trainings.ADD, map(to_row, trained))

    def trainings(self, *models: str, limit: int | None = None) -> list[TrainingResult]:
        """Return the trainings of all models or of those named, newest run first, at most `limit` rows."""
        where = f"model IN ({', '.join('?' * len(models))})" if models else "TRUE"
        values = [*map(plain, models), -1 if limit is None else limit]
        with self.translated("read"):
            if self.is_empty() or self.pragma("user_version") < trainings.SINCE:
                return []
            query = f"{trainings.SELECT} WHERE {where} {_NEWEST} LIMIT ?"
            rows = self.connection.execute(query, values).fetchall()
        with self.damage_reported("a training"):
            return [trainings.from_columns(dict(row)) for row in rows]

    def _select(self, wanted: Mapping[str, Value], order: str, *, limit: int) -> list[Result]:
        where, values = _condition(wanted)
        with self.translated("read"):
            columns = ", ".join(results.columns(self.pragma("user_version")))
            query = f"SELECT {columns} FROM results WHERE {where} {order} LIMIT :limit"
            # A process that is killed while it creates the store leaves it empty.
            rows = [] if self.is_empty() else self.connection.execute(query, {**values, "limit": limit}).fetchall()
        return [self._result(row) for row in rows]

    def _result(self, row: sqlite3.Row) -> Result:
        with self.damage_reported(f"result '{row['run_id']}'"):
            return results.result_from_row(dict(row))


def import_store(source: str | Path, target: str | Path | None = None) -> tuple[int, int]:
    """Copy everything from one store to another, or nothing if the source is damaged.

    Returns how many results and how many trainings were new; rows that the target already has stay unchanged, and so do
    published figures of a file that it has. The target is created if needed, after the source is read. Raises
    StoreError.
    """
    with Store(source, for_reading=True) as other:
        measured, trained, published = other.results(), other.trainings(), other.published()
    with Store(target) as own:
        return own.add_new(measured, trained, published)


def _condition(wanted: Mapping[str, Value]) -> tuple[str, dict[str, Any]]:
    """Return the SQL condition that columns have these values, and its parameters. Raises TypeError for other names."""
    if unknown := wanted.keys() - set(results.COLUMNS):
        raise TypeError(f"results have no field {', '.join(sorted(unknown))}")
    values = {name: plain(value) for name, value in wanted.items() if value is not None}
    return " AND ".join(f"{name} = :{name}" for name in values) or "TRUE", values
