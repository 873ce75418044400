"""A store's SQLite file: opened, checked, created and upgraded; its errors in one line."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from archbench.errors import ArchbenchError, StoreError
from archbench.files import data_directory
from archbench.store import published, results, trainings
from archbench.store.results import VERSION

# Identifies the file in its header: "arch" as bytes.
_APPLICATION = int.from_bytes(b"arch", "big")
# A write takes milliseconds; after this long the process that holds the lock is taken to hang.
_BUSY_S = 30.0
_TABLES_SINCE = {trainings.SINCE: trainings.SCHEMA, published.SINCE: published.SCHEMA}


def default_path() -> Path:
    """Return the path of the default store, in the user's data directory."""
    return data_directory() / "results.sqlite"


class StoreFile:
    """The file of a store, open within a `with` block: `connection` is then that to its database."""

    connection: sqlite3.Connection

    def __init__(self, path: str | Path | None = None, *, for_reading: bool = False) -> None:
        self.path = default_path() if path is None else Path(path)
        self._for_reading = for_reading

    def __enter__(self) -> Self:
        with self.translated("open"):
            try:
                self._open("ro&immutable=1" if self._is_immutable() else "rw" if self._for_reading else "rwc")
            except sqlite3.OperationalError:
                # On a full disk the files beside a store cannot be made; without a log it can be read without them.
                if not self._for_reading or self._has_log():
                    raise
                self._open("ro&immutable=1")
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.connection.close()

    def exists(self) -> bool:
        """Return whether the store's file exists. Raises StoreError if the path is not a regular file."""
        with self.translated("open"):
            if self.path.exists() and not self.path.is_file():
                raise StoreError(f"'{self.path}' is not a file, so not a store of archbench's results")
            return self.path.exists()

    def _open(self, mode: str) -> None:
        self.connection = self._connect(mode)
        try:
            self._prepare()
        except BaseException:
            self.connection.close()
            raise

    def _connect(self, mode: str) -> sqlite3.Connection:
        if not self.exists():
            if self._for_reading:
                raise StoreError(f"there is no store '{self.path}'")
            self.path.parent.mkdir(parents=True, exist_ok=True)
        address = f"{self.path.resolve().as_uri()}?mode={mode}"
        # Without an isolation level sqlite3 begins no transactions of its own.
        connection = sqlite3.connect(address, uri=True, timeout=_BUSY_S, isolation_level=None)
        connection.row_factory = sqlite3.Row
        return connection

    def _is_immutable(self) -> bool:
        """Return whether it is read from a read-only folder without a log: SQLite then needs no files beside it."""
        return self._for_reading and not os.access(self.path.resolve().parent, os.W_OK) and not self._has_log()

    def _has_log(self) -> bool:
        """Return whether there is a write-ahead log beside the file that has something in it."""
        file = self.path.resolve()
        log = file.with_name(f"{file.name}-wal")
        return log.exists() and log.stat().st_size > 0

    def _prepare(self) -> None:
        """Check the file, and unless `for_reading`, create or upgrade its tables."""
        with self.transaction("DEFERRED"):
            self._check()
        if self._for_reading:
            return
        if self.pragma("user_version") < VERSION:
            with self.transaction():
                self._create()
                self._upgrade()
        self._switch_to_wal()
        # In WAL mode NORMAL loses the last results at a power failure. Waiting for the disk takes milliseconds, a
        # result took seconds to measure.
        self.connection.execute("PRAGMA synchronous = FULL")

    def _check(self) -> None:
        """Raise StoreError unless the file is empty or a store of a known version; needs a transaction."""
        if self.is_empty():
            # SQLite overwrites a file shorter than a page, whatever it contains.
            if self.path.stat().st_size:
                raise StoreError(f"'{self.path}' is not a store of archbench's results")
            return
        if self.pragma("application_id") != _APPLICATION:
            raise StoreError(f"'{self.path}' is a database, but not a store of archbench's results")
        version = self.pragma("user_version")
        if version > VERSION:
            raise StoreError(
                f"the store '{self.path}' has version {version}, newer than this archbench supports ({VERSION})"
            )

    def _switch_to_wal(self) -> None:
        """Switch to write-ahead logging, where readers and a writer do not block each other."""
        end = time.monotonic() + _BUSY_S
        while True:
            try:
                self.connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                # Only here does SQLite not wait by itself while another process switches too.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
            time.sleep(0.01)

    def _create(self) -> None:
        if not self.is_empty():  # another process was faster
            return
        for statement in results.SCHEMA:
            self.connection.execute(statement)
        self.connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        self.connection.execute("PRAGMA user_version = 1")

    def _upgrade(self) -> None:
        """Add the columns and tables of later versions. Does nothing if another process was faster."""
        for version in range(self.pragma("user_version") + 1, VERSION + 1):
            for name, kind in results.ADDED[version].items():
                self.connection.execute(f"ALTER TABLE results ADD COLUMN {name} {kind}")
            for statement in _TABLES_SINCE.get(version, ()):
                self.connection.execute(statement)
            self.connection.execute(f"PRAGMA user_version = {version}")

    def is_empty(self) -> bool:
        """Return whether the database has no tables."""
        return self.connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None

    def pragma(self, name: str) -> int:
        """Return an integer setting of the database."""
        row = self.connection.execute(f"PRAGMA {name}").fetchone()
        if row is None:  # only in a damaged file
            raise sqlite3.DatabaseError(f"it has no {name}")
        return int(row[0])

    @contextmanager
    def transaction(self, kind: str = "IMMEDIATE") -> Iterator[None]:
        """Commit the block's writes together or not at all; an immediate transaction waits for others at its start."""
        self.connection.execute(f"BEGIN {kind}")
        with self.connection:  # commits, or rolls back on an exception
            yield

    @contextmanager
    def translated(self, what: str) -> Iterator[None]:
        """Raise errors of the database as StoreError with one line."""
        try:
            yield
        except ArchbenchError:
            raise
        except sqlite3.IntegrityError as error:
            raise StoreError(f"cannot {what} the store '{self.path}': it has that result already") from error
        except (sqlite3.Error, OSError, UnicodeDecodeError, OverflowError) as error:
            raise StoreError(f"cannot {what} the store '{self.path}': {_reason(error)}") from error

    @contextmanager
    def damage_reported(self, what: str) -> Iterator[None]:
        """Raise StoreError for a row with values that no version of archbench writes."""
        try:
            yield
        except (ValueError, TypeError, RecursionError) as error:
            raise StoreError(f"the store '{self.path}' is damaged: {what} cannot be read") from error


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
