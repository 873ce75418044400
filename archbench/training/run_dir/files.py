"""The figures of a run as files: written whole, read back exactly."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archbench.errors import UsageError
from archbench.files import write_whole
from archbench.training.data.records import Data
from archbench.training.run_dir.records import TOP, Accuracy, Epoch, Outcome, Prediction, Status
from archbench.training.statistics import chance_accuracy, mean_interval

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# A model's status is the gravest of its seeds'.
_GRAVEST: tuple[Status, ...] = ("interrupted", "failed", "diverged", "chance", "ok")


def accuracy_of(
    outcomes: Sequence[Outcome], data: Data, *, input_shape: str, params: int, macs: int, steps_per_epoch: int
) -> Accuracy:
    """Return one model's row from how its seeds ended: all figures are of those that reached the end, if any did."""
    ended = [one for one in outcomes if one.top1 is not None and one.top5 is not None]
    counted = ended or outcomes
    labels = data.test.labels.tolist()
    top1s = [one.top1 for one in ended if one.top1 is not None]
    low, high = mean_interval(top1s, len(data.test)) if top1s else (None, None)
    rates = [one.images_per_s for one in counted if one.images_per_s is not None]
    peaks = [one.peak_bytes for one in outcomes if one.peak_bytes is not None]
    return Accuracy(
        model=outcomes[0].model,
        data=data.name,
        input_shape=input_shape,
        epochs=statistics.fmean(one.steps for one in counted) / steps_per_epoch,
        seeds=len(counted),
        top1_mean=statistics.fmean(top1s) if top1s else None,
        top1_std=statistics.stdev(top1s) if len(top1s) > 1 else None,
        top1_low=low,
        top1_high=high,
        top5_mean=statistics.fmean(one.top5 for one in ended if one.top5 is not None) if ended else None,
        params=params,
        macs=macs,
        images_per_s=statistics.median(rates) if rates else None,
        time_s=statistics.fmean(one.time_s for one in counted) or None,
        status=min((one.status for one in outcomes), key=_GRAVEST.index),
        chance_top1=chance_accuracy(labels, 1),
        chance_top5=chance_accuracy(labels, TOP),
        peak_bytes=max(peaks, default=None),
    )


def write_rows(path: Path, kind: type[DataclassInstance], rows: Sequence[DataclassInstance]) -> None:
    """Write records as CSV, a column a field, an empty cell for None. Raises OutputError."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(kind)])
    writer.writerows(astuple(row) for row in rows)
    write_whole(path, text.getvalue())


def write_predictions(path: Path, predictions: Sequence[Prediction]) -> None:
    """Write one row a test image: its place, its class, and the most probable classes with their probabilities."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    kept = len(predictions[0].classes) if predictions else 0
    places = range(1, kept + 1)
    writer.writerow(["image", "label", *(f"class_{n}" for n in places), *(f"probability_{n}" for n in places)])
    for one in predictions:
        writer.writerow([one.image, one.label, *one.classes, *one.probabilities])
    write_whole(path, text.getvalue())


def read_predictions(path: Path) -> list[Prediction]:
    """Return what `write_predictions` wrote. Raises UsageError."""
    with as_written(path), path.open(newline="", encoding="utf-8") as file:
        heading, *rows = csv.reader(file)
        kept = (len(heading) - 2) // 2
        if kept < 1 or any(len(row) != len(heading) for row in rows):
            raise ValueError("a row was cut short")
        return [
            Prediction(int(row[0]), int(row[1]), tuple(map(int, row[2 : 2 + kept])), tuple(map(float, row[2 + kept :])))
            for row in rows
        ]


def write_outcome(path: Path, outcome: Outcome) -> None:
    """Write how a training ended, as JSON. Raises OutputError."""
    write_whole(path, json.dumps(asdict(outcome), indent=1))


def read_outcome(path: Path) -> Outcome | None:
    """Return how a training ended, None if it did not yet. Raises UsageError."""
    with as_written(path):
        if not path.exists():
            return None
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        epochs = tuple(Epoch(**row) for row in record["epochs"])
        return Outcome(**{**record, "epochs": epochs, "notes": tuple(record["notes"])})


@contextmanager
def as_written(path: Path) -> Iterator[None]:
    """Tell of a file that is read inside: UsageError if it cannot be, or does not hold what was written to it."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, IndexError, TypeError, csv.Error) as error:
        raise UsageError(f"'{path}' is damaged: it is not what 'archbench train' writes") from error
