"""The table of trainings: what each model of a training run learned."""

from __future__ import annotations

from dataclasses import dataclass, fields

from archbench.store.rows import insert


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The outcome of training one model over all seeds; `folder` is the run folder. Accuracies are fractions.

    `started_at` is UTC in ISO 8601. `top1_low` and `top1_high` bound the 95% interval of the mean. `status` is the
    status in `accuracy.csv`. None is unknown.
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


# The first version of the store with this table.
SINCE = 3

_SQL_TYPES = {"str": "TEXT NOT NULL", "int": "INTEGER NOT NULL", "float": "REAL NOT NULL", "float | None": "REAL"}
COLUMNS = {field.name: _SQL_TYPES[str(field.type)] for field in fields(TrainingResult)}

SCHEMA = (
    f"CREATE TABLE trainings (id INTEGER PRIMARY KEY, {', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())},"
    " UNIQUE (run_id, model))",
)

ADD_NEW = f"{insert('trainings', COLUMNS)} ON CONFLICT (run_id, model) DO NOTHING"
# A resumed run replaces its row.
_CHANGES = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS)
ADD = f"{insert('trainings', COLUMNS)} ON CONFLICT (run_id, model) DO UPDATE SET {_CHANGES}"
SELECT = f"SELECT {', '.join(COLUMNS)} FROM trainings"
