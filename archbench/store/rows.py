"""How a result lies in the database: one row, its figures in columns, its raw samples and environment as JSON."""

from __future__ import annotations

import json
import math
import sqlite3
from dataclasses import asdict, fields
from typing import Any

from archbench.store.records import Configuration, Result

# Version 1. Figures have columns so that they can be asked for; what is only ever read whole is JSON.
SCHEMA = (
    """
    CREATE TABLE results (
        id INTEGER PRIMARY KEY,
        run_id TEXT NOT NULL UNIQUE,
        started_at TEXT NOT NULL,
        machine TEXT NOT NULL,
        model TEXT NOT NULL,
        input_shape TEXT NOT NULL,
        kind TEXT NOT NULL,
        device TEXT NOT NULL,
        mode TEXT NOT NULL,
        batch INTEGER NOT NULL,
        dtype TEXT NOT NULL,
        layout TEXT NOT NULL,
        compiled INTEGER NOT NULL,
        graphs INTEGER NOT NULL,
        threads INTEGER NOT NULL,
        status TEXT NOT NULL,
        reason TEXT NOT NULL,
        images_per_s REAL,
        images_per_s_low REAL,
        images_per_s_high REAL,
        latency_s_median REAL,
        latency_s_p90 REAL,
        latency_s_p99 REAL,
        flop_per_s REAL,
        utilisation REAL,
        peak_allocated_bytes INTEGER,
        peak_reserved_bytes INTEGER,
        compile_s REAL,
        first_step_s REAL,
        energy_j_per_image REAL,
        predicted_images_per_s REAL,
        flags TEXT NOT NULL,
        samples_s TEXT NOT NULL,
        latencies_s TEXT NOT NULL,
        environment TEXT NOT NULL
    )
    """,
    "CREATE INDEX results_of_a_model ON results (model, machine)",
)

# The columns that each later version added; a result of an earlier one does not know what they hold.
ADDED = {
    2: {
        "replay_s": "REAL",
        "samples_per_process": "TEXT NOT NULL DEFAULT '[]'",
        "phases_s": "TEXT NOT NULL DEFAULT '{}'",
    },
    3: {},  # a table of its own, in archbench.store.trainings
}
VERSION = max(ADDED)

_CONFIGURATION = tuple(field.name for field in fields(Configuration))
_OWN = tuple(field.name for field in fields(Result) if field.name != "configuration")
COLUMNS = (*_OWN, *_CONFIGURATION)

_SEQUENCES = ("flags", "samples_s", "samples_per_process", "latencies_s")
_JSON = (*_SEQUENCES, "phases_s", "environment")
_SWITCHES = ("compiled", "graphs")


def columns(version: int) -> tuple[str, ...]:
    """Return the columns that a store of that version has."""
    later = {name for number, added in ADDED.items() if number > version for name in added}
    return tuple(name for name in COLUMNS if name not in later)


def to_row(result: Result) -> dict[str, Any]:
    """Return a result's values by column."""
    values = asdict(result)
    values |= values.pop("configuration")
    return {name: json.dumps(value) if name in _JSON else plain(value) for name, value in values.items()}


def plain(value: Any) -> Any:
    """Return a value as the database can keep it.

    A figure that is not finite is not known; a byte of a file's name that is no UTF-8 becomes a question mark. Neither
    is worth the loss of a measurement.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


def from_row(row: sqlite3.Row) -> Result:
    """Return the result of a row of any version. Raises ValueError or TypeError for one that is damaged."""
    values = {name: json.loads(row[name]) if name in _JSON else row[name] for name in row.keys()}  # noqa: SIM118  # a row iterates over values
    values |= {name: tuple(values[name]) for name in _SEQUENCES if name in values}
    values |= {name: bool(values[name]) for name in _SWITCHES}
    configuration = Configuration(**{name: values.pop(name) for name in _CONFIGURATION})
    return Result(configuration=configuration, **values)
