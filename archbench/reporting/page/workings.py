"""The derivations of a layer's figures in the form that the page reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archbench.analyze.explain.derivation import Derivation
from archbench.analyze.explain.explain import LayerExplanation
from archbench.reporting.tables.explain import equation, shown_together
from archbench.reporting.tables.layer_notes import remark_sentences

# Derived figure -> column of the layer table. Other figures are shown with the layer's name.
_FIELDS = {
    "weights": "params",
    "parameters": "params",
    "neurons": "neurons",
    "MACs": "macs",
    "FLOPs": "flops",
    "parameter memory": "param_bytes",
    "output memory": "output_bytes",
    "output width": "output_shape",
    "output height": "output_shape",
    "output depth": "output_shape",
    "output length": "output_shape",
}


def workings(layers: Sequence[LayerExplanation]) -> list[list[Any]]:
    """Return a pair per layer: its remarks, and its lines.

    A line is the column that it explains, the figure's name, the formula, and the formula with numbers: `["macs",
    "MACs", "w·o", "34,848·55·55 = 105,415,200"]`.
    """
    return [
        [remark_sentences(layer), [_line(group) for group in shown_together(layer, is_walk=False)]] for layer in layers
    ]


def _line(derivations: Sequence[Derivation]) -> list[str]:
    first = derivations[0]
    # A dimension follows a comma: `receptive field, width`.
    field = _FIELDS.get(first.symbol.partition(",")[0], "")
    names = " = ".join(dict.fromkeys(derivation.symbol for derivation in derivations))
    formula = first.formula.replace("{", "").replace("}", "")
    return [field, names, formula, equation(derivations).removeprefix(f"{names} = ")]
