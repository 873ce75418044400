"""The modules of several models in one table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from archbench.analyze.layers import LayerTable, as_record
from archbench.reporting.arrangement import with_share_columns, with_shares
from archbench.reporting.table import Column, Table

_MODULES = (
    Column("model", "Model", "text", 0),
    Column("layer", "Layer", "text", 0),
    Column("type", "Type", "text", 4),
    Column("output_shape", "Output", "shape", 5),
    Column("params", "Params", "count", 2),
    Column("macs", "MACs", "count", 3),
    Column("flops", "FLOPs", "count", 6),
    Column("neurons", "Neurons", "count", 8),
    Column("param_bytes", "Weights", "bytes", 7),
    Column("intensity", "FLOP/B", "float", 9),
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
        records = [_record(model, as_record(row)) for row in table.rows]
        whole = {field: totals[field] for field in _FIELDS if field in totals}
        if percent:
            records, whole = [with_shares(record, totals) for record in records], with_shares(whole, totals)
        rows += records
        shown += [{**whole, "layer": model}, *({**row, "model": None, "layer": f"  {row['layer']}"} for row in records)]
    return Table(
        columns=with_share_columns(_MODULES) if percent else _MODULES,
        rows=rows,
        title=f"{mode}, batch {batch}",
        batch=batch,
        folded=shown,
        caveats=tuple(caveats),
    )


def _record(model: str, row: dict[str, Any]) -> dict[str, Any]:
    return {"model": model, "layer": row["name"], **{field: row[field] for field in _FIELDS}}
