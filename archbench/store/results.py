"""The table of results: its columns in every version of the store, and the rows of results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from archbench.store.records import Configuration, Result
from archbench.store.rows import from_row, insert

# Version 1. Figures have columns so that queries can use them; values that are only read whole are JSON.
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

# The columns that each later version added; results of earlier versions have their defaults.
ADDED = {
    2: {
        "replay_s": "REAL",
        "samples_per_process": "TEXT NOT NULL DEFAULT '[]'",
        "phases_s": "TEXT NOT NULL DEFAULT '{}'",
    },
    3: {},  # the table of archbench.store.trainings
    4: {},  # the tables of archbench.store.published
}
VERSION = max(ADDED)

COLUMNS = (
    *(field.name for field in fields(Result) if field.name != "configuration"),
    *(field.name for field in fields(Configuration)),
)
ADD = insert("results", COLUMNS)


def columns(version: int) -> tuple[str, ...]:
    """Return the columns that a store of that version has."""
    later = {name for number, added in ADDED.items() if number > version for name in added}
    return tuple(name for name in COLUMNS if name not in later)


def result_from_row(row: Mapping[str, Any]) -> Result:
    """Return the result in a row of any version. Raises ValueError or TypeError if the row is damaged."""
    return from_row(Result, row, configuration=from_row(Configuration, row))
