"""Quantities that a claim may name, of a model, a layer or a block, from the layer table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from fractions import Fraction
from math import prod

from archbench.analyze.layers import LayerRow, LayerTable
from archbench.errors import InputError, nearest
from archbench.units import format_dimensions

Value = int | Fraction | str

# Quantities of a block that are sums over its layers.
_SUMMED = ("params", "macs", "weights", "neurons", "connections")


@dataclass(frozen=True, slots=True)
class Facts:
    """A model's layer table for a batch of 1, its input shape without the batch, its reported error and its depth."""

    table: LayerTable
    input_shape: tuple[int, ...]
    top5_error_percent: float | None
    depth: int = 0


def quantity_of(name: str, layer: str, model: str, facts: Facts) -> Value:
    """Return a quantity of a model, or of a layer, block or pattern of layers. Raises InputError for other layers."""
    rows = facts.table.rows
    if not layer:
        return facts.depth if name == "depth" else OF_MODELS[name](facts.table)
    if layer == "input":
        return format_dimensions(facts.input_shape)
    if layer == "*conv":
        return ", ".join(sorted({str(OF_LAYERS[name](row, rows)) for row in rows if _is_convolution(row)}))
    row = next((row for row in rows if row.name == layer), None)
    if row is not None:
        return OF_LAYERS[name](row, rows)
    inside = [row for row in rows if _is_inside(row.name, layer)]
    if name in _SUMMED and inside:
        return sum(int(OF_LAYERS[name](row, rows)) for row in inside)
    if name == "output_shape" and inside:
        return format_dimensions((inside[-1].output_shape or ())[1:])
    if inside:
        raise InputError(f"'{layer}' of {model} is a block, which has no {name}; name a layer in it")
    raise InputError(f"{model} has no layer '{layer}'{nearest(layer, [row.name for row in rows])}")


def _is_inside(name: str, layer: str) -> bool:
    """Return whether a row is in a block, or of a layer or block that a pattern such as `conv2*` matches."""
    return fnmatchcase(name, layer) if "*" in layer else name.startswith((f"{layer}.", f"{layer}/"))


def _is_convolution(row: LayerRow) -> bool:
    return row.kernel is not None and row.macs > 0


def _weights(row: LayerRow) -> int:
    """Each weight of a convolution is multiplied once for each position of its output."""
    positions = prod((row.output_shape or ())[2:]) if row.kernel else 1
    return row.macs // max(positions, 1)


def _connections(row: LayerRow) -> int:
    if row.macs:
        return row.macs + (row.neurons if row.params > _weights(row) else 0)
    is_subsampling = row.kernel is not None and row.params > 0
    return prod(row.output_shape or ()) * (prod(row.kernel or ()) + 1) if is_subsampling else 0


def _towers(rows: Iterable[LayerRow]) -> int:
    return max((row.groups or 1 for row in rows), default=1)


OF_LAYERS: dict[str, Callable[[LayerRow, tuple[LayerRow, ...]], Value]] = {
    "output_shape": lambda row, _: format_dimensions((row.output_shape or ())[1:]),
    "kernel": lambda row, _: format_dimensions(row.kernel or ()),
    "stride": lambda row, _: (row.stride or (0,))[0],
    "padding": lambda row, _: (row.padding or (0,))[0],
    "filters": lambda row, _: (row.output_shape or (0, 0))[1],
    "filters_per_tower": lambda row, rows: (row.output_shape or (0, 0))[1] // _towers(rows),
    "inputs": lambda row, _: prod((row.input_shape or ())[1:]),
    "neurons": lambda row, _: row.neurons,
    "params": lambda row, _: row.params,
    "macs": lambda row, _: row.macs,
    "weights": lambda row, _: _weights(row),
    "connections": lambda row, _: _connections(row),
}

OF_MODELS: dict[str, Callable[[LayerTable], Value]] = {
    "params": lambda table: table.totals.params,
    "conv_params": lambda table: sum(row.params for row in table.rows if _is_convolution(row)),
    "fc_params": lambda table: sum(row.params for row in table.rows if row.macs and not row.kernel),
    "macs": lambda table: table.totals.macs,
    "neurons": lambda table: table.totals.neurons,
    "weight_layers": lambda table: table.totals.weight_layers,
    "connections": lambda table: sum(map(_connections, table.rows)),
}
