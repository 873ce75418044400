"""Derivations as plain text, Markdown, data for JSON, and a table for CSV.

All are rendered from the same formulas. A value named by a word is written with it (`96 biases`), a value named by a
letter as a number alone; equal lines for several dimensions become one.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import groupby
from typing import Any

from archbench.analyze.explain.derivation import Derivation
from archbench.analyze.explain.explain import LayerExplanation, TraceExplanation
from archbench.analyze.receptive_field import Gap
from archbench.reporting.table import Column, Table
from archbench.reporting.tables.layer_notes import remark_sentences
from archbench.trace.costs.symbolic import Value
from archbench.units import format_bytes, format_dimensions, format_integer

_WIDTH = 80
_DETAILS = frozenset({"parameter memory", "output memory", "receptive field stride", "receptive field centre"})
_BRIEF = frozenset({"FLOPs"}) | _DETAILS

_LARGEST_PATH = (
    "Receptive fields through branches are those of the largest path. The effective field, where the gradient "
    "concentrates, is smaller (Luo et al. 2016)."
)

_COLUMNS = (
    Column("layer", "Layer", "text", 0),
    Column("symbol", "Figure", "text", 1),
    Column("formula", "Formula", "text", 3),
    Column("substituted", "Substituted", "text", 4),
    Column("result", "Result", "plain", 2),
)


def to_text(explanation: TraceExplanation, layers: Sequence[LayerExplanation], title: str, is_whole: bool) -> str:
    """Return a block per layer; among several, layers without weights or windows take one line."""
    blocks, is_walk = [title], len(layers) > 1
    for layer in layers:
        lines = [*remark_sentences(layer), *map(equation, shown_together(layer, is_walk))]
        head = f"{layer.row.name}  {heading(layer)}"
        line = "; ".join([head, *lines])
        is_one_line = is_walk and _is_brief(layer) and len(line) <= _WIDTH
        blocks.append(line if is_one_line else "\n".join([head, *lines]))
    return "\n\n".join([*map(_folded, blocks), *map(_folded, closing(explanation, layers, is_whole))]) + "\n"


def to_markdown(explanation: TraceExplanation, layers: Sequence[LayerExplanation], title: str, is_whole: bool) -> str:
    """Return a heading and a list per layer."""
    blocks, is_walk = [f"## {_markdown(title)}"], len(layers) > 1
    for layer in layers:
        lines = [
            *map(_markdown, remark_sentences(layer)),
            *(_markdown(equation(group)) for group in shown_together(layer, is_walk)),
        ]
        items = "\n".join(f"- {line}" for line in lines)
        blocks.append(
            f"### {_markdown(layer.row.name)}\n\n{_markdown(heading(layer))}" + (f"\n\n{items}" if items else "")
        )
    return "\n\n".join([*blocks, *map(_markdown, closing(explanation, layers, is_whole))]) + "\n"


def to_data(layers: Sequence[LayerExplanation]) -> list[dict[str, Any]]:
    """Return a dict per layer: name, type, shapes with the batch, derivations as data, and remarks as sentences."""
    return [
        {
            "name": layer.row.name,
            "type": layer.row.type,
            "input_shape": layer.row.input_shape,
            "output_shape": layer.row.output_shape,
            "derivations": [_record(derivation) for derivation in layer.derivations],
            "remarks": remark_sentences(layer),
        }
        for layer in layers
    ]


def to_table(layers: Sequence[LayerExplanation]) -> Table:
    """Return one row per derivation."""
    rows = [{"layer": layer.row.name, **_record(derivation)} for layer in layers for derivation in layer.derivations]
    return Table(columns=_COLUMNS, rows=rows)


def gap_sentence(gap: Gap) -> str:
    """Return a sentence on where receptive fields end, or why there are none."""
    if gap.kind == "inputs":
        return "No receptive fields: the model does not take exactly one input."
    why = "joins branches of different resolution" if gap.kind == "join" else "is not a sliding window"
    return f"Receptive fields end before {gap.row}, which {why}."


def equation(derivations: Sequence[Derivation]) -> str:
    """Return derivations that differ only in their symbol as one line: `weights = 11·11·3·96 = 34,848`."""
    return joined(derivations, str, substituted_text(derivations[0]), result_text(derivations[0]))


def joined(derivations: Sequence[Derivation], symbol: Callable[[str], str], substituted: str, result: str) -> str:
    """Return one line: the symbols, the substituted formula, and the result unless that is the same."""
    symbols = [symbol(derivation.symbol) for derivation in derivations]
    # A sum of one term, such as `400 weights`, is its own result.
    is_its_result = re.fullmatch(re.escape(result) + r"( \w+|\\text\{[^}]*\})?", substituted)
    ends = [substituted] if is_its_result else [substituted, result]
    return " = ".join([*dict.fromkeys(symbols), *ends])


def shown_together(layer: LayerExplanation, is_walk: bool) -> list[list[Derivation]]:
    """Return the derivations, those that differ only in their symbol together; a walk leaves out details."""
    chosen = [d for d in layer.derivations if not (is_walk and d.symbol.partition(",")[0] in _DETAILS)]
    return [
        list(group) for _, group in groupby(chosen, key=lambda d: (d.symbol.partition(" ")[0], d.formula, d.values))
    ]


def _is_brief(layer: LayerExplanation) -> bool:
    return all(derivation.symbol in _BRIEF for derivation in layer.derivations) and len(layer.remarks) < 2


def heading(layer: LayerExplanation) -> str:
    """Return a layer's type and its shapes for one sample."""
    row = layer.row
    shapes = [format_dimensions(shape[1:]) for shape in (row.input_shape, row.output_shape) if shape and len(shape) > 1]
    return "  ".join(filter(None, (row.type, " -> ".join(dict.fromkeys(shapes) if _is_brief(layer) else shapes))))


def closing(explanation: TraceExplanation, layers: Sequence[LayerExplanation], is_whole: bool) -> list[str]:
    """Return the sentences after the layers: where receptive fields end, and of a whole model the totals."""
    notes = [_LARGEST_PATH] if any(map(_joins_fields, layers)) else []
    if explanation.gap:
        notes.append(gap_sentence(explanation.gap))
    if not is_whole or len(explanation.layers) == 1:
        return notes
    totals = explanation.table.totals
    layers_text = f"{totals.weight_layers} weight layer{'' if totals.weight_layers == 1 else 's'}"
    if explanation.depth < totals.weight_layers:
        layers_text += f" ({explanation.depth} on the longest path)"
    figures = {"parameters": totals.params, "MACs": totals.macs, "FLOPs": totals.flops, "neurons": totals.neurons}
    counts = ", ".join(f"{format_integer(figure)} {name}" for name, figure in figures.items())
    return [*notes, f"Total: {layers_text}, {counts}; parameters take {format_bytes(totals.param_bytes)}."]


def _joins_fields(layer: LayerExplanation) -> bool:
    joins = any(remark.kind == "joins" for remark in layer.remarks)
    return joins and any(derivation.symbol.startswith("receptive field") for derivation in layer.derivations)


def _record(derivation: Derivation) -> dict[str, Any]:
    return {
        "symbol": derivation.symbol,
        "formula": _symbolic(derivation.formula),
        "values": {name: _plain(value) for name, value in derivation.values.items()},
        "substituted": substituted_text(derivation),
        "result": _plain(derivation.result),
    }


def _symbolic(formula: str) -> str:
    return re.sub(r"\{(\w+)\}", r"\1", formula)


def substituted_text(derivation: Derivation) -> str:
    """Return the formula with its values in place of their names."""
    return re.sub(r"\{(\w+)\}", lambda match: _named(match[1], derivation.values[match[1]]), derivation.formula)


def _named(name: str, value: Value) -> str:
    """Return a value, with its name where that is a word."""
    # The shape of a scalar is the empty product.
    text = ("·".join(map(format_integer, value)) or "1") if isinstance(value, tuple) else _number(value)
    is_word = re.fullmatch(r"[a-z]\d*", name) is None
    return f"{text} {name}" if is_word else text


def _number(value: int | Fraction) -> str:
    text = format_integer(int(value)) if value == int(value) else f"{float(value):,}"
    return text.replace("-", "−")


def result_text(derivation: Derivation) -> str:
    """Return the result, with its unit where it is memory."""
    text = _number(derivation.result)
    if not derivation.symbol.endswith("memory"):
        return text
    return f"{text} bytes" if derivation.result < 1024 else f"{text} bytes ({format_bytes(int(derivation.result))})"


def _plain(value: Value) -> int | float | list[int]:
    if isinstance(value, tuple):
        return list(value)
    return int(value) if value == int(value) else float(value)


def _folded(block: str) -> str:
    """Indent all lines after the first, and continuation lines further."""
    first, *rest = block.split("\n")
    lines = textwrap.wrap(first, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    for line in rest:
        lines += textwrap.wrap(
            line,
            _WIDTH,
            initial_indent="  ",
            subsequent_indent="      ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines)


def _markdown(text: str) -> str:
    return re.sub(r"([\\`*_|<>])", r"\\\1", text)
