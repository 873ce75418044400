"""The layers of an explanation with equal consecutive blocks once: the sums of all, then the layers of the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from archbench.analyze.explain.derivation import Derivation, Remark, product_of
from archbench.analyze.explain.explain import LayerExplanation
from archbench.analyze.layers import LayerTable
from archbench.analyze.repeats import Repeat, listed, repeats, sums

_FIGURES = {"parameters": "params", "neurons": "neurons", "MACs": "macs", "FLOPs": "flops"}


def with_repeats_once(layers: Sequence[LayerExplanation], table: LayerTable) -> tuple[LayerExplanation, ...]:
    """Return the layers of a whole model, with blocks whose rows and derivations are equal in one place.

    Receptive fields grow from block to block, so that blocks of a plain chain are not equal. In models with branches
    they are not compared: their many blocks are long, and differ in nothing else.
    """
    has_branches = any(remark.kind == "joins" for layer in layers for remark in layer.remarks)
    compared = [_without_fields(layer) if has_branches else (layer.derivations, layer.remarks) for layer in layers]
    lines = [item for _, _, item in listed(repeats(table.rows, compared), table.rows)]
    grows = has_branches and any(map(_has_field, layers))
    return tuple(_of_blocks(item, table, grows) if isinstance(item, Repeat) else layers[item] for item in lines)


def _has_field(layer: LayerExplanation) -> bool:
    return any(derivation.symbol.startswith("receptive field") for derivation in layer.derivations)


def _without_fields(layer: LayerExplanation) -> tuple[Any, ...]:
    derivations = (item for item in layer.derivations if not item.symbol.startswith("receptive field"))
    return tuple(derivations), tuple(remark for remark in layer.remarks if remark.kind != "covers")


def _of_blocks(repeat: Repeat, table: LayerTable, grows: bool) -> LayerExplanation:
    """Return the sums over equal blocks as the derivations of a row that has no shapes."""
    totals: dict[str, Any] = sums(repeat, table.rows)
    module = table.parents.get(repeat.path)
    row = replace(
        table.rows[repeat.rows[0]],
        name=repeat.name,
        type=module.type if module else "",
        input_shape=None,
        output_shape=None,
        **totals,
    )
    remark = Remark("repeated", {"times": repeat.times, "grows": grows})
    return LayerExplanation(row, tuple(_derivations(repeat, totals)), (remark,))


def _derivations(repeat: Repeat, totals: dict[str, int]) -> list[Derivation]:
    return [
        product_of(symbol, n=repeat.times, b=totals[field] // repeat.times)
        for symbol, field in _FIGURES.items()
        if totals[field]
    ]
