"""Summaries that were saved: the JSON that `archbench summary` writes, read back."""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archbench.errors import InputError

if TYPE_CHECKING:
    from archbench.analyze.layers import LayerRow


@dataclass(frozen=True, slots=True)
class Side:
    """One of two models that are compared: its rows and totals, and under what conditions they were counted."""

    name: str
    batch: int
    mode: str
    rows: tuple[LayerRow, ...]
    totals: dict[str, int]
    caveats: tuple[str, ...] = ()


def read_side(path: Path) -> Side:
    """Return a saved summary. Raises InputError if the file cannot be read or is something else."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return Side(
            name=document["model"],
            batch=document["batch"],
            mode=document["mode"],
            rows=tuple(map(_row, document["layers"])),
            totals=_totals(document["totals"]),
        )
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"'{path}' is no summary; 'archbench summary MODEL --output {path}' writes one") from error


def _totals(totals: dict[str, Any]) -> dict[str, int]:
    numbers = {name: value for name, value in totals.items() if isinstance(value, int)}
    if not {"params", "macs"} <= numbers.keys():
        raise TypeError("there are no totals")
    return numbers


def _row(record: dict[str, Any]) -> LayerRow:
    from archbench.analyze.layers import LayerRow

    required = [field.name for field in fields(LayerRow) if field.default is MISSING]
    for name in ("params", "macs", "output_bytes"):
        if not isinstance(record[name], int):
            raise TypeError(f"{name} is no number")
    for name in ("input_shape", "output_shape"):
        if not isinstance(record[name], (list, type(None))):
            raise TypeError(f"{name} is no shape")
    values: dict[str, Any] = {}
    for name in required:
        value = record[name]
        values[name] = tuple(value) if isinstance(value, list) else value
    return LayerRow(**values)
