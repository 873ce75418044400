"""The table of trainings: what each model of a training run learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from archbench.store.accuracy import Accuracy
from archbench.store.rows import from_row, insert


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The accuracy of one model of a training run, with the run that it comes from.

    `started_at` is UTC in ISO 8601, `folder` the run folder.
    """

    run_id: str
    started_at: str
    machine: str
    folder: str
    recipe: str
    accuracy: Accuracy


# The first version of the store with this table.
SINCE = 3

_NAMES = (
    "run_id", "started_at", "machine", "folder", "model", "data", "recipe", "input_shape", "epochs", "seeds",
    "top1_mean", "top1_std", "top1_low", "top1_high", "top5_mean", "images_per_s", "time_s", "status",
)  # fmt: skip
_SQL_TYPES = {
    "str": "TEXT NOT NULL",
    "Status": "TEXT NOT NULL",
    "int": "INTEGER NOT NULL",
    "float": "REAL NOT NULL",
    "float | None": "REAL",
}
_TYPES = {field.name: str(field.type) for record in (TrainingResult, Accuracy) for field in fields(record)}
COLUMNS = {name: _SQL_TYPES[_TYPES[name]] for name in _NAMES}

SCHEMA = (
    f"CREATE TABLE trainings (id INTEGER PRIMARY KEY, {', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())},"
    " UNIQUE (run_id, model))",
)

ADD_NEW = f"{insert('trainings', COLUMNS)} ON CONFLICT (run_id, model) DO NOTHING"
# A resumed run replaces its row.
_CHANGES = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS)
ADD = f"{insert('trainings', COLUMNS)} ON CONFLICT (run_id, model) DO UPDATE SET {_CHANGES}"
SELECT = f"SELECT {', '.join(COLUMNS)} FROM trainings"


def from_columns(row: Mapping[str, Any]) -> TrainingResult:
    """Return the record in a row; what the table has no column for is None."""
    accuracy: dict[str, Any] = {field.name: row.get(field.name) for field in fields(Accuracy)}
    return from_row(TrainingResult, row, accuracy=Accuracy(**accuracy))
