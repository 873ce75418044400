"""Map dataclasses to database rows and back: figures in columns, sequences and mappings as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

Record = TypeVar("Record")

# The Python types of a column's values by the annotation of the field; all other simple fields are texts.
_TYPES: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "float": (int, float)}
_TYPES |= dict.fromkeys(("Status", "Kind", "Mode", "PrecisionName", "Layout"), str)


def to_row(record: Any) -> dict[str, Any]:
    """Return a record's values by column; the fields of a nested record become columns of the same row."""
    row: dict[str, Any] = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if is_dataclass(value):
            row |= to_row(value)
        else:
            row[field.name] = json.dumps(value) if isinstance(value, (tuple, dict)) else plain(value)
    return row


def from_row(record_type: type[Record], row: Mapping[str, Any], **nested: Any) -> Record:
    """Return the record in a row; fields without a column keep their default, nested records are passed by name.

    Raises ValueError or TypeError if the row is damaged.
    """
    assert is_dataclass(record_type), "rows hold dataclasses"
    columns = [field for field in fields(record_type) if field.name in row]
    values = {field.name: _decoded(str(field.type), row[field.name]) for field in columns}
    for field in columns:
        _require_type(str(field.type), values[field.name])
    return record_type(**values, **nested)


def plain(value: Any) -> Any:
    """Return a value as the database can keep it.

    Infinity and NaN become NULL, bytes of a file name that are not UTF-8 question marks: neither is worth losing a
    measurement.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


def insert(table: str, columns: Iterable[str]) -> str:
    """Return the SQL that adds a row with named values to a table."""
    names = list(columns)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"


def _require_type(type_name: str, value: Any) -> None:
    """Raise TypeError for a value that SQLite can keep in any column, but the field cannot have."""
    names = type_name.split(" | ")
    if names[0] in _TYPES and not (value is None and "None" in names) and not isinstance(value, _TYPES[names[0]]):
        raise TypeError(f"{type(value).__name__} where {type_name} is expected")


def _decoded(type_name: str, value: Any) -> Any:
    """Return a column's value as its field has it; `type_name` is the field's annotation."""
    if type_name.startswith("tuple["):
        return tuple(json.loads(value))
    if type_name.startswith("dict["):
        return json.loads(value)
    return bool(value) if type_name == "bool" else value
