"""Remarks about a layer as sentences, one for each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from archbench.analyze.explain.explain import LayerExplanation
from archbench.reporting.tables.wording import several
from archbench.units import format_dimensions, format_integer, format_ratio

_MOST_LAYERS = 6  # of a branch that are named


def remark_sentences(layer: LayerExplanation) -> list[str]:
    """Return the remarks about a layer as sentences."""
    return [_SENTENCES[remark.kind](remark.values) for remark in layer.remarks]


def _groups(values: Mapping[str, int]) -> str:
    groups, seen, maps = values["groups"], values["seen"], values["maps"]
    if seen == 1:
        return f"depthwise: each filter sees one of {format_integer(maps)} maps"
    return f"{groups} groups: each filter sees {seen} of {format_integer(maps)} maps"


def _partial(values: Mapping[str, Any]) -> str:
    pairs = list(zip(values["filters"], values["seen"], strict=True))
    (count, seen), *others = pairs
    first = f"{several(count, 'filter')} see{'s' * (count == 1)} {seen} of {values['maps']} maps"
    return ", ".join([first, *(f"{count} see{'s' * (count == 1)} {seen}" for count, seen in others)])


def _traced(values: Mapping[str, Any]) -> str:
    return f"{values['quantity']} as traced: {format_integer(values['traced'])}"


def _covers(values: Mapping[str, Sequence[int]]) -> str:
    return (
        f"one unit sees {format_dimensions(values['field'])}, the whole input of {format_dimensions(values['input'])}"
    )


def _recurrent(values: Mapping[str, int]) -> str:
    units = several(values["units"], "unit")
    state = f", projected to {values['state']}" if values["state"] != values["units"] else ""
    directions = " in 2 directions" if values["directions"] == 2 else ""
    return f"{several(values['layers'], 'layer')} of {units}{directions}{state}"


def _channels_first(size: Sequence[int]) -> str:
    """Write a filter as shapes are written: `(3, 3, 256)` is `256x3x3`."""
    return format_dimensions((size[-1], *size[:-1]))


def _joins(values: Mapping[str, Any]) -> str:
    branches = "; ".join(_branch(branch) for branch in values["branches"])
    return f"joins {len(values['branches'])} branches by {values['how']}: {branches}"


def _branch(layers: Sequence[str]) -> str:
    """Return the layers of a branch, the first of many, or the word for none."""
    more = [f"and {len(layers) - _MOST_LAYERS} more"] if len(layers) > _MOST_LAYERS else []
    return ", ".join([*layers[:_MOST_LAYERS], *more]) or "identity"


def _reductions(values: Mapping[str, int]) -> str:
    return f"1x1 reductions save {1 - values['macs'] / values['without']:.0%} of the block's MACs"


def _pooled(values: Mapping[str, int]) -> str:
    filters, maps, outputs, without = (values[name] for name in ("filters", "maps", "outputs", "without"))
    return f"the 1x1 convolution after pooling leaves {filters} of {maps} maps: the block has {outputs}, not {without}"


def _bottleneck(values: Mapping[str, Any]) -> str:
    kernel, maps, outputs = values["kernel"], values["maps"], values["outputs"]
    inside, outside = (format_ratio(values[name] / values["macs"]) for name in ("inside", "outside"))
    return (
        f"bottleneck: the {kernel} works on {maps} of {outputs} maps; two {kernel} on {maps} maps would cost {inside} "
        f"the MACs, on {outputs} maps {outside}"
    )


def _repeated(values: Mapping[str, Any]) -> str:
    grow = "; receptive fields grow from each to the next" if values["grows"] else ""
    return f"{format_integer(values['times'])} equal blocks, of which the first follows{grow}"


_SENTENCES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "filters": lambda v: f"{several(v['filters'], 'filter')} of {_channels_first(v['size'])}",
    "groups": _groups,
    "partial": _partial,
    "convolution": lambda v: f"as a convolution: {several(v['filters'], 'filter')} of {_channels_first(v['size'])}",
    "positions": lambda v: f"the same weights at each of {format_integer(v['positions'])} positions",
    "adaptive": lambda v: f"the output size is given, whatever the input: {format_dimensions(v['size'])}",
    "covers": _covers,
    "idle": lambda _: "nothing is computed",
    "foreign": lambda _: "its weights are no parameters of its own",
    "rule": lambda v: f"{_traced(v)}, by the rule: {v['rule'].removeprefix(v['quantity'] + ': ')}",
    "unlike": lambda v: f"{_traced(v)}, which follows no usual formula",
    "recurrent": _recurrent,
    "projection": lambda v: f"queries, keys and values: one product of {v['inputs']} by {v['features']} features",
    "joins": _joins,
    "reductions": _reductions,
    "pooled": _pooled,
    "bottleneck": _bottleneck,
    "repeated": _repeated,
}  # fmt: skip
