"""The store: every measured or failed configuration, in one SQLite file that several processes may write to at once.

with Store(default_path()) as store:
    store.add(result)
    store.results(Filter(model="vgg16", status="ok"))
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from archbench.errors import StoreError, UsageError, nearest
from archbench.hardware.measured import data_directory
from archbench.store import trainings
from archbench.store.records import Configuration, Result
from archbench.store.rows import ADDED, COLUMNS, SCHEMA, VERSION, columns, from_row, plain, to_row
from archbench.store.trainings import TrainingResult

# The first version that keeps what models learned.
_WITH_TRAININGS = 3
# Says in the file's header whose database it is: "arch" as bytes.
_APPLICATION = int.from_bytes(b"arch", "big")
# A write takes milliseconds; whoever waits this long waits for a process that hangs.
_BUSY_S = 30.0
# As many characters of a run's id as are shown, and of how many runs.
_SHORT_ID = 8
_MOST_LISTED = 3

_ADD = f"INSERT INTO results ({', '.join(COLUMNS)}) VALUES ({', '.join(f':{name}' for name in COLUMNS)})"
_NEWEST = "ORDER BY started_at DESC, id DESC"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which results are asked for: those that have all of these values; None is any."""

    model: str | None = None
    machine: str | None = None
    status: str | None = None
    kind: str | None = None
    device: str | None = None
    input_shape: str | None = None
    mode: str | None = None
    batch: int | None = None
    dtype: str | None = None
    layout: str | None = None
    compiled: bool | None = None

    def wanted(self) -> dict[str, Any]:
        """Return the values asked for, by column."""
        return {name: value for name, value in asdict(self).items() if value is not None}


_ANY = Filter()


def default_path() -> Path:
    """Return where results are kept unless another store is named: in the user's data directory."""
    return data_directory() / "results.sqlite"


class Store:
    """A store of results, open from entering to leaving a `with`.

    It is made where there is none, and brought up to date where an earlier version made it. `for_reading` needs one
    that exists, and changes nothing in it. Every method raises StoreError, with nothing changed, for what the database
    refuses: a file that is none, a full disk, a newer version.
    """

    _connection: sqlite3.Connection

    def __init__(self, path: Path, *, for_reading: bool = False) -> None:
        self.path = path
        self._for_reading = for_reading

    def __enter__(self) -> Store:
        with self._told("open"):
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
        """Return whether there is a file at the store's path. Raises StoreError for what is no file."""
        with self._told("open"):
            if self.path.exists() and not self.path.is_file():
                raise StoreError(f"'{self.path}' is no file, and so no store of archbench's results")
            return self.path.exists()

    def add(self, result: Result) -> None:
        """Keep a result; when this returns, it survives whatever happens to the process or the machine."""
        with self._told("write to"), self._transaction():
            self._connection.execute(_ADD, to_row(result))

    def results(self, wanted: Filter = _ANY, *, limit: int | None = None) -> list[Result]:
        """Return the results that are wanted, the newest first, at most `limit` of them."""
        # To SQLite a negative limit is none.
        return self._select(wanted.wanted(), _NEWEST, limit=-1 if limit is None else limit)

    def count(self, wanted: Filter = _ANY) -> int:
        """Return how many results are wanted, without reading them."""
        where, values = _condition(wanted.wanted())
        with self._told("read"):
            if self._is_empty():
                return 0
            return int(self._connection.execute(f"SELECT COUNT(*) FROM results WHERE {where}", values).fetchone()[0])

    def latest(self, configuration: Configuration, machine: str) -> Result | None:
        """Return the newest result of a configuration on a machine, of whatever status; None if it was not tried."""
        found = self._select({**asdict(configuration), "machine": machine}, _NEWEST, limit=1)
        return found[0] if found else None

    def find(self, run_id: str) -> Result:
        """Return the result whose run_id is that, or alone begins so.

        Raises UsageError, naming what comes nearest, if there is none, or more than one.
        """
        with self._told("read"):
            rows = [] if self._is_empty() else self._connection.execute("SELECT run_id FROM results").fetchall()
        ids = [str(row["run_id"]) for row in rows]
        found = [run_id] if run_id in ids else [one for one in ids if one.startswith(run_id)]
        if not found:
            alike = nearest(run_id, {one[: max(_SHORT_ID, len(run_id))] for one in ids})
            raise UsageError(f"there is no run '{run_id}'{alike or '; archbench results --format csv lists them'}")
        if len(found) > 1:
            several = ", ".join(one[: len(run_id) + _SHORT_ID] for one in sorted(found)[:_MOST_LISTED])
            raise UsageError(f"{len(found)} runs begin with '{run_id}', such as {several}; write more of one")
        return self._select({"run_id": found[0]}, _NEWEST, limit=1)[0]

    def fastest(self, wanted: Filter) -> list[Result]:
        """Return the results asked for, the fastest first, of the same rate the newest."""
        return self._select(wanted.wanted(), "ORDER BY images_per_s DESC, started_at DESC", limit=-1)

    def add_new(self, results: Sequence[Result], learned: Sequence[TrainingResult]) -> tuple[int, int]:
        """Keep all, oldest last, of which nothing is here yet; return how many results and trainings these were."""
        with self._told("write to"), self._transaction():
            before = self._connection.total_changes
            # The oldest first, so that of two that began at once the later row stays the later.
            rows = (to_row(result) for result in reversed(results))
            self._connection.executemany(f"{_ADD} ON CONFLICT (run_id) DO NOTHING", rows)
            between = self._connection.total_changes
            self._connection.executemany(trainings.ADD_NEW, [trainings.to_row(one) for one in reversed(learned)])
            return between - before, self._connection.total_changes - between

    def add_trainings(self, results: Sequence[TrainingResult]) -> None:
        """Keep what the models of a run came to, in place of what they had come to before."""
        with self._told("write to"), self._transaction():
            self._connection.executemany(trainings.ADD, [trainings.to_row(result) for result in results])

    def trainings(self, *models: str, limit: int | None = None) -> list[TrainingResult]:
        """Return what all models, or those named, came to, the newest run first, at most `limit` rows."""
        where = f"model IN ({', '.join('?' * len(models))})" if models else "TRUE"
        values = [*map(plain, models), -1 if limit is None else limit]
        with self._told("read"):
            if self._is_empty() or self._pragma("user_version") < _WITH_TRAININGS:
                return []
            query = f"{trainings.SELECT} WHERE {where} {_NEWEST} LIMIT ?"
            rows = self._connection.execute(query, values).fetchall()
        return [trainings.from_row(row) for row in rows]

    def _select(self, wanted: Mapping[str, Any], order: str, *, limit: int) -> list[Result]:
        where, values = _condition(wanted)
        with self._told("read"):
            there = ", ".join(columns(self._pragma("user_version")))
            query = f"SELECT {there} FROM results WHERE {where} {order} LIMIT :limit"
            # A process that was killed while it made the store left an empty one.
            rows = [] if self._is_empty() else self._connection.execute(query, {**values, "limit": limit}).fetchall()
        return [self._result(row) for row in rows]

    def _result(self, row: sqlite3.Row) -> Result:
        try:
            return from_row(row)
        except (ValueError, TypeError) as error:
            raise StoreError(f"the store '{self.path}' is damaged: result '{row['run_id']}' cannot be read") from error

    def _connect(self) -> sqlite3.Connection:
        if not self.exists():
            if self._for_reading:
                raise StoreError(f"there is no store '{self.path}'")
            self.path.parent.mkdir(parents=True, exist_ok=True)
        mode = "rwc" if not self._for_reading else "ro&immutable=1" if self._lies_still() else "rw"
        address = f"{self.path.resolve().as_uri()}?mode={mode}"
        # Without an isolation level sqlite3 begins no transactions of its own.
        connection = sqlite3.connect(address, uri=True, timeout=_BUSY_S, isolation_level=None)
        connection.row_factory = sqlite3.Row
        return connection

    def _lies_still(self) -> bool:
        """Return whether the store is all in its file and nobody here may write: SQLite needs no files beside it."""
        file = self.path.resolve()
        return not os.access(file.parent, os.W_OK) and not file.with_name(f"{file.name}-wal").exists()

    def _prepare(self) -> None:
        """Make sure that the file is a store of a version that is known here, making it one if it is empty."""
        with self._transaction("DEFERRED"):
            self._check()
        if self._for_reading:
            return
        if self._pragma("user_version") < VERSION:
            with self._transaction():
                self._create()
                self._bring_up_to_date()
        self._switch_to_wal()
        # In WAL mode NORMAL would lose the last results when the power fails. To wait for the disk takes milliseconds,
        # what it saves took seconds to measure.
        self._connection.execute("PRAGMA synchronous = FULL")

    def _check(self) -> None:
        """Raise StoreError if there is anything but a store or nothing; to be called where no one else can write."""
        if self._is_empty():
            # SQLite would write over a file of less than a page, whatever is in it.
            if self.path.stat().st_size:
                raise StoreError(f"'{self.path}' is no store of archbench's results")
            return
        if self._pragma("application_id") != _APPLICATION:
            raise StoreError(f"'{self.path}' is a database, but no store of archbench's results")
        version = self._pragma("user_version")
        if version > VERSION:
            raise StoreError(
                f"the store '{self.path}' is of version {version}, newer than this archbench knows ({VERSION})"
            )

    def _switch_to_wal(self) -> None:
        """Let readers and a writer not wait for each other. Does nothing after the first time."""
        end = time.monotonic() + _BUSY_S
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                # Here alone SQLite does not wait by itself for others, who do the same.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
            time.sleep(0.01)

    def _create(self) -> None:
        # Another process may have been faster.
        if not self._is_empty():
            return
        for statement in SCHEMA:
            self._connection.execute(statement)
        self._connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        self._connection.execute("PRAGMA user_version = 1")

    def _bring_up_to_date(self) -> None:
        """Add the columns and the table that later versions have. Does nothing if another process was faster."""
        for version in range(self._pragma("user_version") + 1, VERSION + 1):
            for name, kind in ADDED[version].items():
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
        """Write what is inside whole or not at all; an immediate one waits for others before, not in the middle."""
        self._connection.execute(f"BEGIN {kind}")
        with self._connection:  # commits, or takes it back when something raises
            yield

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Tell what the database refuses as one line."""
        try:
            yield
        except StoreError:
            raise
        except sqlite3.IntegrityError as error:
            raise StoreError(f"cannot {what} the store '{self.path}': it has that result already") from error
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"cannot {what} the store '{self.path}': {_reason(error)}") from error


def import_store(source: Path, target: Path) -> tuple[int, int]:
    """Take over all that another store has, or nothing if it is damaged.

    Returns how many results and how many trainings were new; what the target has already is left as it is. It is made
    where there is none, once the source is read. Raises StoreError.
    """
    with Store(source, for_reading=True) as other:
        results, learned = other.results(), other.trainings()
    with Store(target) as own:
        return own.add_new(results, learned)


def _condition(wanted: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the condition in SQL that columns have these values, and the values that it names."""
    condition = " AND ".join(f"{name} = :{name}" for name in wanted) or "TRUE"
    return condition, {name: plain(value) for name, value in wanted.items()}


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
