"""Stored results: measurements and trainings of this user."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archbench.measure.bench.compare_runs import RunComparison, compare_runs
from archbench.models.identity import resolved
from archbench.reporting.result import TableResult
from archbench.reporting.table import Table
from archbench.reporting.tables.bench import bench_table, raw_document
from archbench.reporting.tables.bench_comparison import runs_table
from archbench.reporting.tables.train import trainings_table
from archbench.reporting.tables.wording import several
from archbench.store.database import Store, import_store
from archbench.store.filters import result_filter
from archbench.store.records import Result
from archbench.store.trainings import TrainingResult

_LOG = logging.getLogger("archbench")


@dataclass(frozen=True, repr=False)
class StoredResults(TableResult):
    """Stored measurements, newest first. With `raw`, `to_dict` has every field, samples and environment included."""

    results: tuple[Result, ...]
    raw: bool = False

    def to_table(self) -> Table:
        """Return one row per result."""
        return bench_table(self.results, title=several(len(self.results), "result"))

    def to_dict(self) -> Any:
        """Return one dict per result."""
        return raw_document(self.results) if self.raw else super().to_dict()


@dataclass(frozen=True, repr=False)
class StoredTrainings(TableResult):
    """Stored outcomes of trainings, newest run first."""

    trainings: tuple[TrainingResult, ...]

    def to_table(self) -> Table:
        """Return one row per model of each run."""
        return trainings_table(self.trainings)


@dataclass(frozen=True, repr=False)
class StoredComparison(TableResult):
    """Two stored measurements compared by their raw samples."""

    a: Result
    b: Result
    comparison: RunComparison

    def to_table(self) -> Table:
        """Return one row; notes list what else differs."""
        return runs_table(self.comparison, self.a, self.b)


def results(
    *,
    model: str | None = None,
    status: str | None = None,
    mode: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    batch: int | None = None,
    limit: int | None = None,
    raw: bool = False,
    store: str | Path | None = None,
) -> StoredResults:
    """Return the stored measurements that match, newest first; all of them by default.

    Args:
        model: An address.
        status: `"ok"`, `"not_converged"`, `"implausible"`, `"oom"` or `"failed"`.
        mode: `"eval"` or `"train"`.
        device: A kind of device (`"cpu"`, `"cuda"`, `"mps"`), or the name of one.
        dtype: The name of a precision.
        batch: The number of samples.
        limit: At most so many, the newest.
        raw: `to_dict` has every field, samples and environment included.
        store: Path of the store; by default in the user's data directory.

    Raises UsageError for a value that is not a valid choice, StoreError if the store cannot be read.
    """
    wanted = result_filter(model=model, status=status, mode=mode, device=device, dtype=dtype, batch=batch)
    opened = _existing(store, "bench")
    if opened is None:
        return StoredResults((), raw)
    with opened:
        return StoredResults(tuple(opened.results(limit=limit, **wanted)), raw)


def compare_results(run_a: str, run_b: str, *, store: str | Path | None = None) -> StoredComparison:
    """Compare two stored measurements by their raw samples; the beginning of a run id is enough.

    They were not measured in turns, so this is less certain than `archbench.ab_test`. Raises UsageError for a run that
    does not exist or has no samples, StoreError if the store cannot be read.
    """
    with Store(store, for_reading=True) as opened:
        a, b = opened.find(run_a), opened.find(run_b)
    return StoredComparison(a, b, compare_runs(a, b))


def trainings(
    *, model: str | None = None, limit: int | None = None, store: str | Path | None = None
) -> StoredTrainings:
    """Return the stored outcomes of trainings of all models or of one, newest run first. Raises StoreError."""
    opened = _existing(store, "train")
    if opened is None:
        return StoredTrainings(())
    # Earlier versions stored the address of a file as it was given.
    names = [] if model is None else [model, resolved(model)]
    with opened:
        return StoredTrainings(tuple(opened.trainings(*names, limit=limit)))


def import_results(source: str | Path, *, store: str | Path | None = None) -> tuple[int, int]:
    """Copy what another store has; return how many measurements and how many trainings were new. Raises StoreError."""
    measured, trained = import_store(source, store)
    counts = f"{several(measured, 'new result')} and {several(trained, 'new training')}"
    _LOG.info("imported %s from %s", counts, source)
    return measured, trained


def _existing(store: str | Path | None, verb: str) -> Store | None:
    """Return a store for reading; None, with a note, if there is none yet."""
    opened = Store(store, for_reading=True)
    if opened.exists():
        return opened
    _LOG.info("there is no store '%s' yet; 'archbench %s' fills it", opened.path, verb)
    return None
