"""Remarks about a layer as sentences, one for each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from archbench.analyze.explain.explain import LayerExplanation
from archbench.reporting.tables.wording import several
from archbench.units import format_integer


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


def _recurrent(values: Mapping[str, int]) -> str:
    units = several(values["units"], "unit")
    state = f", projected to {values['state']}" if values["state"] != values["units"] else ""
    directions = " in 2 directions" if values["directions"] == 2 else ""
    return f"{several(values['layers'], 'layer')} of {units}{directions}{state}"


_SENTENCES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "filters": lambda v: f"{several(v['filters'], 'filter')} of {sizes_text(v['size'])}",
    "groups": _groups,
    "partial": _partial,
    "convolution": lambda v: f"as a convolution: {several(v['filters'], 'filter')} of {sizes_text(v['size'])}",
    "positions": lambda v: f"the same weights at each of {format_integer(v['positions'])} positions",
    "adaptive": lambda v: f"the output size is given, whatever the input: {sizes_text(v['size'])}",
    "covers": lambda v: f"one unit sees {sizes_text(v['field'])}, the whole input of {sizes_text(v['input'])}",
    "idle": lambda _: "nothing is computed",
    "foreign": lambda _: "its weights are no parameters of its own",
    "rule": lambda v: f"{_traced(v)}, by the rule: {v['rule'].removeprefix(v['quantity'] + ': ')}",
    "unlike": lambda v: f"{_traced(v)}, which follows no usual formula",
    "recurrent": _recurrent,
    "projection": lambda v: f"queries, keys and values: one product of {v['inputs']} by {v['features']} features",
    "repeated": lambda v: f"{format_integer(v['times'])} equal blocks, of which the first follows",
}  # fmt: skip


def sizes_text(sizes: Iterable[int]) -> str:
    """Return sizes joined by ×: `3×3×256`."""
    return "×".join(map(str, sizes))
