"""The modules of several models in one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from archbench.analyze.layers import LayerTable, as_record
from archbench.reporting.arrangement import with_share_columns, with_shares
from archbench.reporting.table import Column, Table
from archbench.reporting.tables.module_tree import tree_rows

_MODULES = (
    Column("model", "Model", "text", 0),
    Column("layer", "Layer", "text", 0),
    Column("type", "Type", "text", 4, cuts=True),
    Column("output_shape", "Output", "shape", 5),
    Column("params", "Params", "count", 2, hides_zero=True),
    Column("macs", "MACs", "count", 3, hides_zero=True),
    Column("flops", "FLOPs", "count", 6, hides_zero=True),
    Column("neurons", "Neurons", "count", 8, hides_zero=True),
    Column("param_bytes", "Weights", "bytes", 7),
    Column("intensity", "FLOP/B", "float", 9, hides_zero=True),
)
_FIELDS = tuple(column.field for column in _MODULES[2:])


def modules_table(
    models: Sequence[tuple[str, LayerTable]],
    *,
    batch: int,
    mode: str,
    percent: bool = False,
    caveats: Iterable[str] = (),
) -> Table:
    """Return one row per row of each model's table; for people after a row of the model's totals, and indented.

    `percent` adds each row's share of its own model's parameters and MACs.
    """
    rows: list[dict[str, Any]] = []
    shown: list[dict[str, Any]] = []
    for model, table in models:
        totals = {**as_record(table.totals), "intensity": table.totals.intensity}
        shared = partial(with_shares, totals=totals) if percent else dict
        records = [as_record(row) for row in table.rows]
        rows += [shared({"model": model, "layer": row["name"], **_figures(row)}) for row in records]
        lines = tree_rows(table) or records
        shown.append(shared({"layer": model, **_figures(totals)}))
        shown += [shared({"layer": f"  {line['name']}", **_figures(line)}) for line in lines]
    return Table(
        columns=with_share_columns(_MODULES) if percent else _MODULES,
        rows=rows,
        title=f"{mode}, batch {batch}",
        batch=batch,
        folded=shown,
        caveats=tuple(caveats),
    )


def _figures(row: Mapping[str, Any]) -> dict[str, Any]:
    return {field: row[field] for field in _FIELDS if field in row}
