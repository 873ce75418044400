"""The table of the differences between two models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from archbench.analyze.diff import DifferenceRow, FieldChange
from archbench.analyze.layers import LayerRow
from archbench.reporting.table import Column, Table
from archbench.reporting.tables.model import CONVENTION
from archbench.units import (
    format_bytes,
    format_bytes_change,
    format_change,
    format_count,
    format_dimensions,
    format_ratio,
    format_step,
)

_COLUMNS = (
    Column("change", "Change", "text", 0),
    Column("layer_a", "A", "text", 1),
    Column("layer_b", "B", "text", 2),
    Column("what", "What", "text", 5, wraps=True),
    Column("params_difference", "Params", "change", 3),
    Column("macs_difference", "MACs", "change", 4),
    Column("output_bytes_difference", "Output", "change_bytes", 6),
)
_WORDS = {"input_shape": "input", "output_shape": "output"}
_TOTALS = (
    ("params", "parameters", format_count, format_change),
    ("macs", "MACs", format_count, format_change),
    ("peak_inference_bytes", "peak memory", format_bytes, format_bytes_change),
    ("peak_training_bytes", "peak memory in training", format_bytes, format_bytes_change),
)


def difference_table(
    rows: Sequence[DifferenceRow],
    *,
    a: str,
    b: str,
    totals: tuple[Mapping[str, int], Mapping[str, int]],
    shows_same: bool,
    caveats: Sequence[str] = (),
) -> Table:
    """Return one row per layer or pair; without `shows_same` unchanged ones are only counted in the title."""
    records = [_record(row) for row in rows]
    kept = [record for record in records if shows_same or record["change"] != "same"]
    counts = Counter(record["change"] for record in records)
    headings = {
        "changed": "changed", "only_a": f"only in {a}", "only_b": f"only in {b}", "same": "the same",
    }  # fmt: skip
    title = ", ".join(f"{counts[kind]} {text}" for kind, text in headings.items() if counts[kind])
    return Table(
        columns=_COLUMNS,
        rows=kept,
        title=f"{a} (A) against {b} (B): {title}",
        totals={"change": "total", **{column.field: _sum(records, column.field) for column in _COLUMNS[4:]}},
        notes=(*_totals(*totals), CONVENTION),
        caveats=tuple(caveats),
    )


def _sum(records: Sequence[Mapping[str, Any]], field: str) -> int:
    return sum(record[field] for record in records)


def _totals(a: Mapping[str, int], b: Mapping[str, int]) -> list[str]:
    """Return a sentence on the change of each total that both have."""
    changes = []
    for field, words, text, change in _TOTALS:
        if field in a and field in b:
            ratio = f", {format_ratio(b[field] / a[field])}" if a[field] else ""
            changes.append(f"{words} {text(a[field])} -> {text(b[field])} ({change(b[field] - a[field])}{ratio})")
    return [f"In total: {'; '.join(changes)}."] if changes else []


def _record(row: DifferenceRow) -> dict[str, Any]:
    return {
        "change": row.change,
        "layer_a": "" if row.a is None else row.a.name,
        "layer_b": "" if row.b is None else row.b.name,
        "what": _what(row),
        "params_difference": row.params_difference,
        "macs_difference": row.macs_difference,
        "output_bytes_difference": row.output_bytes_difference,
    }


def _what(row: DifferenceRow) -> str:
    """Describe the changes, or the layer itself if it has no partner."""
    alone = row.b if row.a is None else row.a if row.b is None else None
    if alone is not None:
        return _described(alone)
    return "; ".join(map(_changed, row.changes))


def _described(row: LayerRow) -> str:
    parts = [row.type]
    if row.kernel:
        parts.append(format_dimensions(row.kernel))
    if row.stride and set(row.stride) != {1}:
        parts.append(f"stride {format_step(row.stride)}")
    if row.output_shape and len(row.output_shape) > 1:
        parts.append(f"-> {format_dimensions(row.output_shape[1:])}")
    return " ".join(parts)


def _changed(change: FieldChange) -> str:
    word = _WORDS.get(change.field, change.field)
    return f"{word} {_text(change.field, change.before)} -> {_text(change.field, change.after)}"


def _text(field: str, value: Any) -> str:
    if value in (None, ()):
        return "none"
    if field in ("stride", "padding"):
        return format_step(value)
    return format_dimensions(value) if isinstance(value, tuple) else str(value)
