"""The store of results: one SQLite file that several processes may write to at the same time.

with Store() as store:
    store.add(result)
    store.results(model="vgg16", status="ok")
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from archbench.errors import StoreError, UsageError, nearest
from archbench.files import data_directory
from archbench.store import results, trainings
from archbench.store.records import Configuration, Result
from archbench.store.results import VERSION
from archbench.store.rows import from_row, plain, to_row
from archbench.store.trainings import TrainingResult

# The first version with a table of trainings.
_WITH_TRAININGS = 3
# Identifies the file in its header: "arch" as bytes.
_APPLICATION = int.from_bytes(b"arch", "big")
# A write takes milliseconds; after this long the process that holds the lock is taken to hang.
_BUSY_S = 30.0
# Characters shown of a run id, and ids listed in an error.
_SHORT_ID = 8
_MOST_LISTED = 3

_NEWEST = "ORDER BY started_at DESC, id DESC"

# A value that a filter compares a column with.
Value = str | int | float | bool | None


def default_path() -> Path:
    """Return the path of the default store, in the user's data directory."""
    return data_directory() / "results.sqlite"


class Store:
    """A store of results, open within a `with` block; by default the user's own.

    A store that does not exist is created, one of an earlier version upgraded. `for_reading` requires an existing store
    and does not change it. Filters are keyword arguments named after fields of `Result` and `Configuration`; None
    matches any value. Every method raises StoreError, and leaves the store unchanged, if the file is not a store, the
    disk is full, or a newer version wrote it.
    """

    _connection: sqlite3.Connection

    def __init__(self, path: str | Path | None = None, *, for_reading: bool = False) -> None:
        self.path = default_path() if path is None else Path(path)
        self._for_reading = for_reading

    def __enter__(self) -> Store:
        with self._translated("open"):
            self._connection = self._connect()
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    def exists(self) -> bool:
        """Return whether the store's file exists. Raises StoreError if the path is not a regular file."""
        with self._translated("open"):
            if self.path.exists() and not self.path.is_file():
                raise StoreError(f"'{self.path}' is not a file, so not a store of archbench's results")
            return self.path.exists()

    def add(self, result: Result) -> None:
        """Add a result; once this returns, it survives a crash of the process or the machine."""
        with self._translated("write to"), self._transaction():
            self._connection.execute(results.ADD, to_row(result))

    def results(self, *, limit: int | None = None, **wanted: Value) -> list[Result]:
        """Return the results that match, newest first, at most `limit` of them."""
        # SQLite takes a negative limit as none.
        return self._select(wanted, _NEWEST, limit=-1 if limit is None else limit)

    def count(self, **wanted: Value) -> int:
        """Return the number of results that match, without reading them."""
        where, values = _condition(wanted)
        with self._translated("read"):
            if self._is_empty():
                return 0
            return int(self._connection.execute(f"SELECT COUNT(*) FROM results WHERE {where}", values).fetchone()[0])

    def latest(self, configuration: Configuration, machine: str) -> Result | None:
        """Return the newest result of a configuration on a machine, whatever its status; None if there is none."""
        newest = self._select({**asdict(configuration), "machine": machine}, _NEWEST, limit=1)
        return newest[0] if newest else None

    def find(self, run_id: str) -> Result:
        """Return the result with that run_id, or the only one whose run_id begins with it.

        Raises UsageError, naming the nearest, if there is none or more than one.
        """
        with self._translated("read"):
            rows = [] if self._is_empty() else self._connection.execute("SELECT run_id FROM results").fetchall()
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

    def add_new(self, measured: Sequence[Result], trained: Sequence[TrainingResult]) -> tuple[int, int]:
        """Add what the store does not have yet, both newest first; return how many results and trainings were added."""
        with self._translated("write to"), self._transaction():
            before = self._connection.total_changes
            # Oldest first, so that results of the same second keep their order.
            self._connection.executemany(
                f"{results.ADD} ON CONFLICT (run_id) DO NOTHING", map(to_row, reversed(measured))
            )
            between = self._connection.total_changes
            self._connection.executemany(trainings.ADD_NEW, map(to_row, reversed(trained)))
            return between - before, self._connection.total_changes - between

    def add_trainings(self, trained: Sequence[TrainingResult]) -> None:
        """Add the outcomes of a run's models, replacing earlier ones of the same run."""
        with self._translated("write to"), self._transaction():
            self._connection.executemany(trainings.ADD, map(to_row, trained))

    def trainings(self, *models: str, limit: int | None = None) -> list[TrainingResult]:
        """Return the trainings of all models or of those named, newest run first, at most `limit` rows."""
        where = f"model IN ({', '.join('?' * len(models))})" if models else "TRUE"
        values = [*map(plain, models), -1 if limit is None else limit]
        with self._translated("read"):
            if self._is_empty() or self._pragma("user_version") < _WITH_TRAININGS:
                return []
            query = f"{trainings.SELECT} WHERE {where} {_NEWEST} LIMIT ?"
            rows = self._connection.execute(query, values).fetchall()
        return [from_row(TrainingResult, dict(row)) for row in rows]

    def _select(self, wanted: Mapping[str, Value], order: str, *, limit: int) -> list[Result]:
        where, values = _condition(wanted)
        with self._translated("read"):
            columns = ", ".join(results.columns(self._pragma("user_version")))
            query = f"SELECT {columns} FROM results WHERE {where} {order} LIMIT :limit"
            # A process that is killed while it creates the store leaves it empty.
            rows = [] if self._is_empty() else self._connection.execute(query, {**values, "limit": limit}).fetchall()
        return [self._result(row) for row in rows]

    def _result(self, row: sqlite3.Row) -> Result:
        try:
            return results.result_from_row(dict(row))
        except (ValueError, TypeError) as error:
            raise StoreError(f"the store '{self.path}' is damaged: result '{row['run_id']}' cannot be read") from error

    def _connect(self) -> sqlite3.Connection:
        if not self.exists():
            if self._for_reading:
                raise StoreError(f"there is no store '{self.path}'")
            self.path.parent.mkdir(parents=True, exist_ok=True)
        mode = "rwc" if not self._for_reading else "ro&immutable=1" if self._is_immutable() else "rw"
        address = f"{self.path.resolve().as_uri()}?mode={mode}"
        # Without an isolation level sqlite3 begins no transactions of its own.
        connection = sqlite3.connect(address, uri=True, timeout=_BUSY_S, isolation_level=None)
        connection.row_factory = sqlite3.Row
        return connection

    def _is_immutable(self) -> bool:
        """Return whether the folder is read-only and has no write-ahead log: SQLite then needs no files beside it."""
        file = self.path.resolve()
        return not os.access(file.parent, os.W_OK) and not file.with_name(f"{file.name}-wal").exists()

    def _prepare(self) -> None:
        """Check the file, and unless `for_reading`, create or upgrade its tables."""
        with self._transaction("DEFERRED"):
            self._check()
        if self._for_reading:
            return
        if self._pragma("user_version") < VERSION:
            with self._transaction():
                self._create()
                self._upgrade()
        self._switch_to_wal()
        # In WAL mode NORMAL loses the last results at a power failure. Waiting for the disk takes milliseconds, a
        # result took seconds to measure.
        self._connection.execute("PRAGMA synchronous = FULL")

    def _check(self) -> None:
        """Raise StoreError unless the file is empty or a store of a known version; needs a transaction."""
        if self._is_empty():
            # SQLite overwrites a file shorter than a page, whatever it contains.
            if self.path.stat().st_size:
                raise StoreError(f"'{self.path}' is not a store of archbench's results")
            return
        if self._pragma("application_id") != _APPLICATION:
            raise StoreError(f"'{self.path}' is a database, but not a store of archbench's results")
        version = self._pragma("user_version")
        if version > VERSION:
            raise StoreError(
                f"the store '{self.path}' has version {version}, newer than this archbench supports ({VERSION})"
            )

    def _switch_to_wal(self) -> None:
        """Switch to write-ahead logging, where readers and a writer do not block each other."""
        end = time.monotonic() + _BUSY_S
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                # Only here does SQLite not wait by itself while another process switches too.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
            time.sleep(0.01)

    def _create(self) -> None:
        if not self._is_empty():  # another process was faster
            return
        for statement in results.SCHEMA:
            self._connection.execute(statement)
        self._connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        self._connection.execute("PRAGMA user_version = 1")

    def _upgrade(self) -> None:
        """Add the columns and the table of later versions. Does nothing if another process was faster."""
        for version in range(self._pragma("user_version") + 1, VERSION + 1):
            for name, kind in results.ADDED[version].items():
                self._connection.execute(f"ALTER TABLE results ADD COLUMN {name} {kind}")
            for statement in trainings.SCHEMA if version == _WITH_TRAININGS else ():
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {version}")

    def _is_empty(self) -> bool:
        return self._connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    @contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[None]:
        """Commit the block's writes together or not at all; an immediate transaction waits for others at its start."""
        self._connection.execute(f"BEGIN {kind}")
        with self._connection:  # commits, or rolls back on an exception
            yield

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """Raise errors of the database as StoreError with one line."""
        try:
            yield
        except StoreError:
            raise
        except sqlite3.IntegrityError as error:
            raise StoreError(f"cannot {what} the store '{self.path}': it has that result already") from error
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"cannot {what} the store '{self.path}': {_reason(error)}") from error


def import_store(source: str | Path, target: str | Path | None = None) -> tuple[int, int]:
    """Copy everything from one store to another, or nothing if the source is damaged.

    Returns how many results and how many trainings were new; rows that the target already has stay unchanged. The
    target is created if needed, after the source is read. Raises StoreError.
    """
    with Store(source, for_reading=True) as other:
        measured, trained = other.results(), other.trainings()
    with Store(target) as own:
        return own.add_new(measured, trained)


def _condition(wanted: Mapping[str, Value]) -> tuple[str, dict[str, Any]]:
    """Return the SQL condition that columns have these values, and its parameters. Raises TypeError for other names."""
    if unknown := wanted.keys() - set(results.COLUMNS):
        raise TypeError(f"results have no field {', '.join(sorted(unknown))}")
    values = {name: plain(value) for name, value in wanted.items() if value is not None}
    return " AND ".join(f"{name} = :{name}" for name in values) or "TRUE", values


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
