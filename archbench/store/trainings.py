"""How what models learned lies in the database: one row a model of a training run, every figure in a column."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, dataclass, fields
from typing import Any

from archbench.store.rows import plain


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What one model of a run came to over its seeds; the run itself is in `folder`. Accuracies are fractions.

    `started_at` is UTC by ISO 8601. `top1_low` and `top1_high` bound the 95% interval of the mean. `status` is that of
    `accuracy.csv`. None is not known.
    """

    run_id: str
    started_at: str
    machine: str
    folder: str
    model: str
    data: str
    recipe: str
    input_shape: str
    epochs: float
    seeds: int
    top1_mean: float | None
    top1_std: float | None
    top1_low: float | None
    top1_high: float | None
    top5_mean: float | None
    images_per_s: float | None
    time_s: float | None
    status: str


_KINDS = {"str": "TEXT NOT NULL", "int": "INTEGER NOT NULL", "float": "REAL NOT NULL", "float | None": "REAL"}
COLUMNS = {field.name: _KINDS[str(field.type)] for field in fields(TrainingResult)}

SCHEMA = (
    f"CREATE TABLE trainings (id INTEGER PRIMARY KEY, {', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())},"
    " UNIQUE (run_id, model))",
)

_NAMES = ", ".join(COLUMNS)
_VALUES = ", ".join(f":{name}" for name in COLUMNS)
_CHANGES = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS)
# A run that goes on comes to something else: its row follows.
ADD = f"INSERT INTO trainings ({_NAMES}) VALUES ({_VALUES}) ON CONFLICT (run_id, model) DO UPDATE SET {_CHANGES}"
ADD_NEW = f"INSERT INTO trainings ({_NAMES}) VALUES ({_VALUES}) ON CONFLICT (run_id, model) DO NOTHING"
SELECT = f"SELECT {_NAMES} FROM trainings"


def to_row(result: TrainingResult) -> dict[str, Any]:
    """Return a result's values by column."""
    return {name: plain(value) for name, value in asdict(result).items()}


def from_row(row: sqlite3.Row) -> TrainingResult:
    """Return the result of a row."""
    return TrainingResult(**{name: row[name] for name in COLUMNS})
