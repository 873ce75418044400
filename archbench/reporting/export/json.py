"""Tables and documents as JSON."""

from __future__ import annotations

import json
from typing import Any

from archbench.reporting.table import Table


def to_json(value: Any) -> str:
    """Return `value` as indented JSON; a Table becomes a list of objects with all its columns."""
    if isinstance(value, Table):
        value = [{column.field: row.get(column.field) for column in value.columns} for row in value.rows]
    return json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
