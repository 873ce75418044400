"""The table of the differences between two models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from archbench.analyze.diff import ChangeKind, DifferenceRow, FieldChange
from archbench.analyze.layers import LayerRow
from archbench.reporting.table import Column, Table
from archbench.units import (
    format_bytes,
    format_count,
    format_dimensions,
    format_ratio,
    format_step,
)

_COLUMNS = (
    Column("change", "Change", "text", 0),
    Column("layer_a", "Layer", "text", 0),
    Column("layer_b", "B", "text"),
    Column("what", "What", "text", 5, wraps=True),
    Column("params_difference", "Params", "change", 3),
    Column("macs_difference", "MACs", "change", 4),
    Column("output_bytes_difference", "Output", "change_bytes", 6),
)
_CHANGES: dict[ChangeKind, str] = {"changed": "changed", "only_a": "removed", "only_b": "added", "same": "the same"}
_WORDS = {"input_shape": "input", "output_shape": "output"}
_COUNTS = (
    ("params_difference", "parameters"), ("macs_difference", "MACs"), ("output_bytes_difference", "output bytes"),
)  # fmt: skip
_TOTALS = (
    ("params", "Parameters", format_count),
    ("macs", "MACs", format_count),
    ("peak_inference_bytes", "Peak memory", format_bytes),
    ("peak_training_bytes", "Peak memory in training", format_bytes),
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
    """Return one row per layer or pair.

    For people, unchanged layers are only counted in the title, and those to which nothing but a shape was handed down
    are one row, unless `shows_same`; each field that changed has a line of its own.
    """
    records = [_record(row) for row in rows]
    counts = Counter(row.change for row in rows)
    title = ", ".join(f"{counts[kind]} {text}" for kind, text in _CHANGES.items() if counts[kind])
    return Table(
        columns=_COLUMNS,
        rows=records,
        folded=list(_lines(rows, shows_same)),
        title=f"{a} (A) against {b} (B): {title}",
        totals={"change": "total", **{field: _sum(records, field) for field, _ in _COUNTS}},
        notes=tuple(_totals(*totals)),
        caveats=tuple(caveats),
    )


def _lines(rows: Sequence[DifferenceRow], shows_same: bool) -> Iterator[dict[str, Any]]:
    """Yield the lines that people read."""
    following = [] if shows_same else [row for row in rows if follows(row)]
    folds = len(following) > 1
    for row in rows:
        if (shows_same or row.change != "same") and not (folds and follows(row)):
            yield from _lines_of(row)
    if folds:
        records = [_record(row) for row in following]
        every = all("output_shape" in {change.field for change in row.changes} for row in following)
        what = f"{len(following)} follow: {'output shape' if every else 'shapes'} only"
        yield {"change": "changed", "what": what, **{field: _sum(records, field) for field, _ in _COUNTS}}


def follows(row: DifferenceRow) -> bool:
    """Return whether a layer does the same as before to another shape, without a parameter or MAC more or less."""
    shapes_only = {change.field for change in row.changes} <= _WORDS.keys()
    return (
        row.change == "changed"
        and bool(row.changes)
        and shapes_only
        and not (row.params_difference or row.macs_difference)
    )


def _lines_of(row: DifferenceRow) -> Iterator[dict[str, Any]]:
    """Yield a layer's record in words, with the first of its changes, and a line for each other change."""
    record = _record(row)
    names = list(dict.fromkeys(filter(None, (record["layer_a"], record["layer_b"]))))
    first, *others = own_changes(row)
    change = "same" if row.change == "same" else _CHANGES[row.change]
    yield {**record, "change": change, "layer_a": " -> ".join(names), "what": first}
    yield from ({"what": other} for other in others)


def own_changes(row: DifferenceRow) -> list[str]:
    """Describe what a layer does otherwise, else its shape: a shape that was handed down is not the layer's own."""
    if row.a is None or row.b is None or row.change == "same":
        return [_what(row)]
    own = [change for change in row.changes if change.field not in _WORDS]
    shapes = [change for change in row.changes if change.field in _WORDS]
    if own or shapes:
        return [_changed(change) for change in own or shapes[-1:]]
    return [", ".join(words for field, words in _COUNTS if getattr(row, field))]


def _sum(records: Sequence[Mapping[str, Any]], field: str) -> int:
    return sum(record[field] for record in records)


def _totals(a: Mapping[str, int], b: Mapping[str, int]) -> Iterator[str]:
    """Yield a sentence on each total that both have; differences are in the total row."""
    for field, words, text in _TOTALS:
        if field in a and field in b:
            ratio = f" ({format_ratio(b[field] / a[field])})" if a[field] else ""
            yield f"{words}: {text(a[field])} -> {text(b[field])}{ratio}."


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
