"""Derivations as people read them: plain text, Markdown, LaTeX; and as data for JSON and CSV.

All are made from the same formulas. A value named by a word is written with it (`96 biases`), one named by a letter is
a number alone; equal lines for several dimensions become one.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import groupby
from typing import Any

from archbench.analyze.explanation import Derivation, Explanation, LayerExplanation, Value
from archbench.analyze.receptive_field import Gap
from archbench.report.table import Column, Table
from archbench.units import format_bytes, format_integer

_WIDTH = 80
_DETAILS = frozenset({"parameter memory", "output memory", "receptive field stride", "receptive field centre"})
_BRIEF = frozenset({"FLOPs"}) | _DETAILS
_LATEX_MATH = {
    "·": r" \cdot ", "−": "-", "⌊": r"\left\lfloor ", "⌋": r" \right\rfloor", "⌈": r"\left\lceil ",
    "⌉": r" \right\rceil", ",": "{,}",
}  # fmt: skip
_LATEX_TEXT = {
    "\\": r"\textbackslash{}", "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "×": r"$\times$", "→": r"$\to$", "−": "$-$",
}  # fmt: skip
_PREAMBLE = (
    "\\documentclass{article}\n\\usepackage[utf8]{inputenc}\n\\usepackage{amsmath}\n\\setlength{\\parindent}{0pt}\n"
)

_WORD = r" ?[A-Za-z]\w*"

_COLUMNS = (
    Column("layer", "Layer", "text", 0),
    Column("symbol", "Figure", "text", 1),
    Column("formula", "Formula", "text", 3),
    Column("substituted", "Substituted", "text", 4),
    Column("result", "Result", "plain", 2),
)


def to_text(explanation: Explanation, layers: Sequence[LayerExplanation], title: str) -> str:
    """Return a block a layer; where there are several, one line for those without weights or windows."""
    blocks, is_walk = [title], len(layers) > 1
    for layer in layers:
        lines = [*_remarks(layer), *map(equation, _shown(layer, is_walk))]
        head = f"{layer.row.name}  {_heading(layer)}"
        line = "; ".join([head, *lines])
        is_one_line = is_walk and _is_brief(layer) and len(line) <= _WIDTH
        blocks.append(line if is_one_line else "\n".join([head, *lines]))
    return "\n\n".join([*map(_folded, blocks), *map(_folded, _closing(explanation, is_walk))]) + "\n"


def to_markdown(explanation: Explanation, layers: Sequence[LayerExplanation], title: str) -> str:
    """Return a heading and a list a layer."""
    blocks, is_walk = [f"## {_markdown(title)}"], len(layers) > 1
    for layer in layers:
        lines = [*map(_markdown, _remarks(layer)), *(_markdown(equation(group)) for group in _shown(layer, is_walk))]
        items = "\n".join(f"- {line}" for line in lines)
        blocks.append(
            f"### {_markdown(layer.row.name)}\n\n{_markdown(_heading(layer))}" + (f"\n\n{items}" if items else "")
        )
    return "\n\n".join([*blocks, *map(_markdown, _closing(explanation, is_walk))]) + "\n"


def to_latex(explanation: Explanation, layers: Sequence[LayerExplanation], title: str) -> str:
    """Return a document that needs amsmath only, with the equations of each layer in an `align*`."""
    blocks, is_walk = [f"\\section*{{{_latex_text(title)}}}"], len(layers) > 1
    for layer in layers:
        said = "; ".join([_heading(layer), *_remarks(layer)])
        equations = " \\\\\n".join(f"  {_latex_equation(group)}" for group in _shown(layer, is_walk))
        block = f"\\paragraph{{{_latex_text(layer.row.name)}}} {_latex_text(said)}."
        blocks.append(f"{block}\n\\begin{{align*}}\n{equations}\n\\end{{align*}}" if equations else block)
    body = "\n\n".join([*blocks, *map(_latex_text, _closing(explanation, is_walk))])
    return f"{_PREAMBLE}\\begin{{document}}\n\n{body}\n\n\\end{{document}}\n"


def to_data(layers: Sequence[LayerExplanation]) -> list[dict[str, Any]]:
    """Return an object a layer: name, type, shapes with the batch, each derivation as data, what is said in words."""
    return [
        {
            "name": layer.row.name,
            "type": layer.row.type,
            "input_shape": layer.row.input_shape,
            "output_shape": layer.row.output_shape,
            "derivations": [_record(derivation) for derivation in layer.derivations],
            "remarks": _remarks(layer),
        }
        for layer in layers
    ]


def to_table(layers: Sequence[LayerExplanation]) -> Table:
    """Return one row a derivation."""
    rows = [
        {
            "layer": layer.row.name,
            "symbol": derivation.symbol,
            "formula": _symbolic(derivation.formula),
            "substituted": _substituted(derivation),
            "result": _plain(derivation.result),
        }
        for layer in layers
        for derivation in layer.derivations
    ]
    return Table(columns=_COLUMNS, rows=rows)


def gap_sentence(gap: Gap) -> str:
    """Say why there are no receptive fields, or where they end."""
    if gap.kind == "operator":
        return f"Receptive fields end before {gap.row}, which is no plain window."
    if gap.row == ".":
        return "No receptive fields: the model is no plain chain from one input."
    why = "joins several tensors" if gap.kind == "join" else "may take another tensor than the last"
    return f"No receptive fields: the model is no plain chain of layers; {gap.row} {why}."


def equation(derivations: Sequence[Derivation]) -> str:
    """Return derivations that differ only in their symbol as one line: `weights = 11·11·3·96 = 34,848`."""
    return _joined(derivations, str, _substituted(derivations[0]), _result(derivations[0]))


def _latex_equation(derivations: Sequence[Derivation]) -> str:
    substituted, result = _latex_math(_substituted(derivations[0])), _latex_math(_result(derivations[0]))
    return _joined(derivations, lambda symbol: f"\\text{{{symbol}}}", substituted, result).replace(" = ", " &= ", 1)


def _joined(derivations: Sequence[Derivation], symbol: Callable[[str], str], substituted: str, result: str) -> str:
    symbols = [symbol(derivation.symbol) for derivation in derivations]
    # A sum of one term, such as `400 weights`, is its own result.
    is_its_result = re.fullmatch(re.escape(result) + r"( \w+|\\text\{[^}]*\})?", substituted)
    ends = [substituted] if is_its_result else [substituted, result]
    return " = ".join([*dict.fromkeys(symbols), *ends])


def _shown(layer: LayerExplanation, is_walk: bool) -> list[list[Derivation]]:
    """Return the derivations, those that differ only in their symbol together; a walk leaves out details."""
    chosen = [d for d in layer.derivations if not (is_walk and d.symbol.partition(",")[0] in _DETAILS)]
    return [
        list(group) for _, group in groupby(chosen, key=lambda d: (d.symbol.partition(" ")[0], d.formula, d.values))
    ]


def _is_brief(layer: LayerExplanation) -> bool:
    return all(derivation.symbol in _BRIEF for derivation in layer.derivations) and len(layer.remarks) < 2


def _heading(layer: LayerExplanation) -> str:
    row = layer.row
    shapes = [_sizes(shape[1:]) for shape in (row.input_shape, row.output_shape) if shape and len(shape) > 1]
    return "  ".join(filter(None, (row.type, " → ".join(dict.fromkeys(shapes) if _is_brief(layer) else shapes))))


def _closing(explanation: Explanation, is_walk: bool) -> list[str]:
    gap = [gap_sentence(explanation.gap)] if explanation.gap else []
    if not is_walk:
        return gap
    totals = explanation.table.totals
    layers = f"{totals.weight_layers} weight layer{'' if totals.weight_layers == 1 else 's'}"
    figures = {"parameters": totals.params, "MACs": totals.macs, "FLOPs": totals.flops, "neurons": totals.neurons}
    counts = ", ".join(f"{format_integer(figure)} {name}" for name, figure in figures.items())
    return [*gap, f"Total: {layers}, {counts}; parameters take {format_bytes(totals.param_bytes)}."]


def _remarks(layer: LayerExplanation) -> list[str]:
    return [_SENTENCES[remark.kind](remark.values) for remark in layer.remarks]


def _groups(values: Mapping[str, int]) -> str:
    groups, seen, maps = values["groups"], values["seen"], values["maps"]
    if seen == 1:
        return f"depthwise: each filter sees one of {format_integer(maps)} maps"
    return (
        f"{'two towers' if groups == 2 else f'{groups} groups'}: each filter sees {seen} of {format_integer(maps)} maps"
    )


def _partial(values: Mapping[str, Any]) -> str:
    pairs = list(zip(values["filters"], values["seen"], strict=True))
    (count, seen), *others = pairs
    first = f"{_several(count, 'filter')} see{'s' * (count == 1)} {seen} of {values['maps']} maps"
    return ", ".join([first, *(f"{count} see{'s' * (count == 1)} {seen}" for count, seen in others)])


_SENTENCES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "filters": lambda v: f"{_several(v['filters'], 'filter')} of {_sizes(v['size'])}",
    "groups": _groups,
    "partial": _partial,
    "convolution": lambda v: f"as a convolution: {_several(v['filters'], 'filter')} of {_sizes(v['size'])}",
    "positions": lambda v: f"the same weights at each of {format_integer(v['positions'])} positions",
    "adaptive": lambda v: f"the output size is given, whatever the input: {_sizes(v['size'])}",
    "covers": lambda v: f"one unit sees {_sizes(v['field'])}, the whole input of {_sizes(v['input'])}",
    "idle": lambda _: "nothing is computed",
    "foreign": lambda _: "its weights are no parameters of its own",
    "unlike": lambda v: f"{v['quantity']} as traced: {format_integer(v['traced'])}, which follows no usual formula",
}  # fmt: skip


def _several(count: int, noun: str) -> str:
    return f"{format_integer(count)} {noun}{'' if count == 1 else 's'}"


def _sizes(sizes: Iterable[int]) -> str:
    return "×".join(map(str, sizes))


def _record(derivation: Derivation) -> dict[str, Any]:
    return {
        "symbol": derivation.symbol,
        "formula": _symbolic(derivation.formula),
        "values": {name: _plain(value) for name, value in derivation.values.items()},
        "substituted": _substituted(derivation),
        "result": _plain(derivation.result),
    }


def _symbolic(formula: str) -> str:
    return re.sub(r"\{(\w+)\}", r"\1", formula)


def _substituted(derivation: Derivation) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: _named(match[1], derivation.values[match[1]]), derivation.formula)


def _named(name: str, value: Value) -> str:
    """Return a value, with its name where that is a word."""
    text = "·".join(map(format_integer, value)) if isinstance(value, tuple) else _number(value)
    is_word = re.fullmatch(r"[a-z]\d*", name) is None
    return f"{text} {name}" if is_word else text


def _number(value: int | Fraction) -> str:
    text = format_integer(int(value)) if value == int(value) else f"{float(value):,}"
    return text.replace("-", "−")


def _result(derivation: Derivation) -> str:
    text = _number(derivation.result)
    if not derivation.symbol.endswith("memory"):
        return text
    return f"{text} bytes" if derivation.result < 1024 else f"{text} bytes ({format_bytes(int(derivation.result))})"


def _plain(value: Value) -> int | float | list[int]:
    if isinstance(value, tuple):
        return list(value)
    return int(value) if value == int(value) else float(value)


def _folded(block: str) -> str:
    """Indent all lines after the first, and what does not fit into a line further."""
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


def _latex_text(text: str) -> str:
    return "".join(_LATEX_TEXT.get(character, character) for character in text)


def _latex_math(text: str) -> str:
    """Return arithmetic for math mode, with words upright."""
    symbols = "".join(_LATEX_MATH.get(character, character) for character in re.sub(_WORD, "\0", text))
    words = iter(re.findall(_WORD, text))
    upright = re.sub("\0", lambda _: f"\\text{{{_latex_text(next(words))}}}", symbols)
    return upright.replace("} (", "}\\ (")  # math mode drops spaces
