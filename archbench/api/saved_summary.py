"""Summaries that were saved as JSON, by this version or an earlier one."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from archbench.analyze.layers import LayerRow, LayerTable, Totals
from archbench.errors import InputError

# Larger numbers are not counts of a network, and exceed what a float can hold.
_LARGEST = 10**100
_COUNTS = ("params", "macs", "output_bytes")


def read_fields(path: Path) -> dict[str, Any]:
    """Return the fields of the `Summary` in a file. Raises InputError if it cannot be read or is not a summary."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.get("schema_version", 1) != 1:
            raise InputError(f"'{path}' was written by another version of archbench, with another schema")
        return {
            "model": document.get("model", path.stem),
            "inputs": tuple(map(tuple, document.get("inputs", ()))),
            "dtype": document.get("dtype", "unknown"),
            "batch": document.get("batch", 1),
            "mode": document.get("mode", "eval"),
            "table": _table(document),
            "real_data_reason": None,
        }
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        advice = f"'archbench summary MODEL --output {path}' writes one"
        raise InputError(f"'{path}' is not a summary; {advice}") from error


def _table(document: dict[str, Any]) -> LayerTable:
    numbers = {name: value for name, value in document["totals"].items() if isinstance(value, int)}
    if not all(abs(value) < _LARGEST for value in numbers.values()):
        raise ValueError("a total is not a count")
    totals: dict[str, Any] = {field.name: numbers.get(field.name) for field in fields(Totals)}
    return LayerTable(
        rows=_rows(document.get("layers", ())),
        totals=Totals(**totals),
        uncounted=dict(document.get("uncounted", {})),
        unread=(),
        doubts=frozenset(),
    )


def _rows(records: Any) -> tuple[LayerRow, ...]:
    """Return the rows in a JSON list, or none if one of them is malformed."""
    try:
        return tuple(map(_row, records))
    except (KeyError, TypeError):
        return ()


def _row(record: dict[str, Any]) -> LayerRow:
    if not all(isinstance(record[name], int) and record[name] < _LARGEST for name in _COUNTS):
        raise TypeError("a count is not a number")
    if not all(isinstance(record[name], (list, type(None))) for name in ("input_shape", "output_shape")):
        raise TypeError("a shape is not a list")
    values: dict[str, Any] = {}
    for field in fields(LayerRow):
        value = record[field.name] if field.default is MISSING else record.get(field.name)
        values[field.name] = tuple(value) if isinstance(value, list) else value
    return LayerRow(**values)
