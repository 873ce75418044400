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

    Receptive fields grow from block to block, so that blocks of a plain chain are not equal.
    """
    items = repeats(table.rows, [(layer.derivations, layer.remarks) for layer in layers])
    lines = (item for _, _, item in listed(items, table.rows))
    return tuple(_of_blocks(item, table) if isinstance(item, Repeat) else layers[item] for item in lines)


def _of_blocks(repeat: Repeat, table: LayerTable) -> LayerExplanation:
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
    return LayerExplanation(row, tuple(_derivations(repeat, totals)), (Remark("repeated", {"times": repeat.times}),))


def _derivations(repeat: Repeat, totals: dict[str, int]) -> list[Derivation]:
    return [
        product_of(symbol, n=repeat.times, b=totals[field] // repeat.times)
        for symbol, field in _FIGURES.items()
        if totals[field]
    ]
