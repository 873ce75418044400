"""Experts that are equal modules side by side, each called with the rows that were routed to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from archbench.analyze.experts.block import Blocks, Mixture, experts_per_token, tokens_into
from archbench.trace.records import Layer, Parameter


def expert_modules(blocks: Blocks) -> Iterator[Mixture]:
    """Yield the groups of modules that are experts."""
    groups: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for position, layer in enumerate(blocks.layers):
        groups[layer.path.rpartition(".")[0], layer.type].append(position)
    for positions in groups.values():
        members = [blocks.layers[position] for position in positions]
        called = [layer for layer in members if layer.calls]
        if len(members) < 2 or not called or not all(map(_took_rows, called)):
            continue
        caller = blocks.caller(members[0])
        tokens = tokens_into([caller], called[0].inputs[0].shape[-1])
        rows = sum(layer.inputs[0].shape[0] for layer in called)
        chosen = experts_per_token(rows, tokens, len(members))
        if chosen is None or blocks.chosen(members[0], len(members)) is None:
            continue
        held = [_parameters_at(blocks.layers, position) for position in positions]
        if all(_shapes(parameters) == _shapes(held[0]) for parameters in held):
            yield Mixture(len(members), chosen, sum(p.numel for parameters in held for p in parameters))


def _took_rows(layer: Layer) -> bool:
    """Return whether a module was called once, with a matrix."""
    return layer.calls == 1 and bool(layer.inputs) and len(layer.inputs[0].shape) == 2


def _parameters_at(layers: Sequence[Layer], top: int) -> list[Parameter]:
    """Return the parameters of a module and of those below it, which follow it in the order of layers."""
    end = top + 1
    while end < len(layers) and layers[end].depth > layers[top].depth:
        end += 1
    return [parameter for layer in layers[top:end] for parameter in layer.parameters]


def _shapes(parameters: Sequence[Parameter]) -> list[tuple[int, ...]]:
    return [parameter.shape for parameter in parameters]
