"""Build one record from another: rows of a table repeat fields of what they were computed from."""

from __future__ import annotations

from dataclasses import fields
from typing import Any


def shared_fields(record: object, row_type: type[Any]) -> dict[str, Any]:
    """Return the values of `record` for the dataclass fields of `row_type` that it has, by name."""
    names = (field.name for field in fields(row_type))
    return {name: getattr(record, name) for name in names if hasattr(record, name)}
