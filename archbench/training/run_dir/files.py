"""Write and read the CSV and JSON files of a run folder; files are written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archbench.errors import UsageError
from archbench.files import write_whole
from archbench.training.records import Epoch, Outcome, Prediction

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def write_rows(path: Path, kind: type[DataclassInstance], rows: Sequence[DataclassInstance]) -> None:
    """Write records as CSV, one column per field, an empty cell for None. Raises OutputError."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(kind)])
    writer.writerows(astuple(row) for row in rows)
    write_whole(path, text.getvalue())


def write_predictions(path: Path, predictions: Sequence[Prediction]) -> None:
    """Write one row per test image: its index, its class, and the most probable classes with their probabilities.

    Raises OutputError.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    ranks = range(1, 1 + (len(predictions[0].classes) if predictions else 0))
    writer.writerow(["image", "label", *(f"class_{n}" for n in ranks), *(f"probability_{n}" for n in ranks)])
    writer.writerows([each.image, each.label, *each.classes, *each.probabilities] for each in predictions)
    write_whole(path, text.getvalue())


def read_predictions(path: Path) -> list[Prediction]:
    """Return what `write_predictions` wrote. Raises UsageError for a damaged file."""
    with as_written(path):
        header, *rows = csv.reader(io.StringIO(read_file(path).decode(), newline=""))
        kept = (len(header) - 2) // 2
        if kept < 1 or any(len(row) != len(header) for row in rows):
            raise ValueError("a row was cut short")
        return [
            Prediction(int(row[0]), int(row[1]), tuple(map(int, row[2 : 2 + kept])), tuple(map(float, row[2 + kept :])))
            for row in rows
        ]


def write_outcome(path: Path, outcome: Outcome) -> None:
    """Write an outcome as JSON. Raises OutputError."""
    write_whole(path, json.dumps(asdict(outcome), indent=1))


def read_outcome(path: Path) -> Outcome | None:
    """Return the outcome of a training, None if it has not ended. Raises UsageError for a damaged file."""
    with as_written(path):
        if not path.exists():
            return None
        record: dict[str, Any] = json.loads(read_file(path).decode())
        epochs = tuple(Epoch(**row) for row in record["epochs"])
        return Outcome(**{**record, "epochs": epochs, "notes": tuple(record["notes"])})


def read_file(path: Path) -> bytes:
    """Return the content of a regular file: reading a pipe would wait for ever. Raises OSError."""
    if path.exists() and not path.is_file():
        raise OSError(None, "it is not a file")
    return path.read_bytes()


@contextmanager
def as_written(path: Path) -> Iterator[None]:
    """Turn the errors of reading a file into UsageError: it cannot be read, or is damaged."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read: {error.strerror or error}") from error
    except UsageError:
        raise
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError, csv.Error) as error:
        raise UsageError(f"'{path}' is damaged: it is not what 'archbench train' writes") from error
