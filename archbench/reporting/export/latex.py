"""Derivations as a LaTeX document, with the formulas of `archbench.reporting.tables.explain`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from archbench.analyze.explain.derivation import Derivation
from archbench.analyze.explain.explain import LayerExplanation, TraceExplanation
from archbench.reporting.tables.explain import closing, heading, joined, result_text, shown_together, substituted_text
from archbench.reporting.tables.layer_notes import remark_sentences
from archbench.units import format_text

_LATEX_MATH = {
    "·": r" \cdot ", "−": "-", "⌊": r"\left\lfloor ", "⌋": r" \right\rfloor", "⌈": r"\left\lceil ",
    "⌉": r" \right\rceil", ",": "{,}",
}  # fmt: skip
_LATEX_TEXT = {
    "\\": r"\textbackslash{}", "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "×": r"$\times$", "→": r"$\to$", "−": "$-$",
    "…": r"\dots{}",
}  # fmt: skip
_PREAMBLE = (
    "\\documentclass{article}\n\\usepackage[utf8]{inputenc}\n\\usepackage{amsmath}\n\\setlength{\\parindent}{0pt}\n"
)
_SHAPE = r"\b\d+(?:x\d+)+\b"
_WORD = r" ?[A-Za-z]\w*"


def to_latex(explanation: TraceExplanation, layers: Sequence[LayerExplanation], title: str, is_whole: bool) -> str:
    """Return a document with the equations of each layer in an `align*`; it needs amsmath only."""
    blocks, is_walk = [f"\\section*{{{_latex_text(title)}}}"], len(layers) > 1
    for layer in layers:
        text = "; ".join([heading(layer), *remark_sentences(layer)])
        block = f"\\paragraph{{{_latex_text(layer.row.name)}}} {_latex_shapes(text)}."
        blocks.append("\n".join(filter(None, [block, _align(layer, is_walk)])))
    body = "\n\n".join([*blocks, *map(_latex_text, closing(explanation, layers, is_whole))])
    return f"{_PREAMBLE}\\begin{{document}}\n\n{body}\n\n\\end{{document}}\n"


def to_equations(layers: Sequence[LayerExplanation]) -> str:
    """Return the equations of the layers alone, one `align*` per layer, as a notebook shows them."""
    return "\n".join(filter(None, (_align(layer, len(layers) > 1) for layer in layers)))


def _align(layer: LayerExplanation, is_walk: bool) -> str:
    equations = " \\\\\n".join(f"  {_latex_equation(group)}" for group in shown_together(layer, is_walk))
    return f"\\begin{{align*}}\n{equations}\n\\end{{align*}}" if equations else ""


def _latex_equation(derivations: Sequence[Derivation]) -> str:
    substituted, result = _latex_math(substituted_text(derivations[0])), _latex_math(result_text(derivations[0]))
    return joined(derivations, lambda symbol: f"\\text{{{symbol}}}", substituted, result).replace(" = ", " &= ", 1)


def _latex_text(text: str) -> str:
    return "".join(_LATEX_TEXT.get(character, character) for character in format_text(text))


def _latex_shapes(text: str) -> str:
    """Return text with shapes such as `3x227x227 -> 96x55x55` as mathematics."""
    escaped = _latex_text(text).replace("->", r"$\to$")
    return re.sub(_SHAPE, lambda match: match[0].replace("x", r"$\times$"), escaped)


def _latex_math(text: str) -> str:
    """Return arithmetic in math mode, with words upright."""
    symbols = "".join(_LATEX_MATH.get(character, character) for character in re.sub(_WORD, "\0", text))
    words = iter(re.findall(_WORD, text))
    upright = re.sub("\0", lambda _: f"\\text{{{_latex_text(next(words))}}}", symbols)
    # Math mode drops spaces; a comma with one separates arguments, not thousands.
    return upright.replace("} (", "}\\ (").replace("{,} ", ",\\ ")
