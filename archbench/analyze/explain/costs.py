"""The MACs and FLOPs of a layer, derived with the rules that counted them.

An operator whose rule carries a formula has a `Count`; an elementwise operator costs the same for each output. A layer
that runs several operators gets the sum of what they cost, in the shortest form that is exact.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from math import prod

from archbench.analyze.explain.derivation import (
    MOST_TERMS,
    Derivation,
    Remark,
    Term,
    derive,
    product_of,
    sum_of,
    sum_of_formulas,
)
from archbench.analyze.explain.layer_facts import LayerFacts, per_sample
from archbench.analyze.explain.weights import weights_of
from archbench.trace.costs import Count, find_rule
from archbench.trace.costs.symbolic import Value
from archbench.trace.records import Operation

_OF_PRODUCTS = frozenset({"2·{m}", "2·{m} + {additions}"})  # as in `archbench.trace.costs.common.product`
_POOLING = re.compile(r"(\{k\}|\(\{k\} − 1\))·\{o\}")  # as in `archbench.trace.costs.pooling`


def macs_of(facts: LayerFacts) -> Derivation | Remark:
    """Return how often each weight is used, or the sum of what the calls multiply."""
    weights = weights_of(facts)
    if weights is not None:
        factors = _work(facts, int(weights.result))
        # Where each weight is used once, the MACs are the weights.
        result = product_of("MACs", **factors) if len(factors) > 1 else replace(weights, symbol="MACs")
        if result.result == facts.row.macs:
            return result
    counts = [(op, op.macs) for op in facts.operations if op.macs]
    return _sum_of_formulas("MACs", facts, counts) or _by_rule("MACs", counts)


def _work(facts: LayerFacts, weights: int) -> dict[str, Value]:
    """Return the factors of the MACs: the weights, and how often each is used."""
    if facts.recurrent is not None:
        steps, *samples = facts.recurrent.inputs[0].shape[:-1]
        batch = {"samples": samples[0]} if samples and samples[0] > 1 else {}
        return {"w": weights, "steps": steps, **batch, **({"calls": facts.row.calls} if facts.row.calls > 1 else {})}
    if not facts.convolutions:
        product = facts.products[0]
        rows = product.outputs[0].shape[0] // facts.batch
        positions = {"positions": rows} if rows > 1 else {}
        return {"w": weights, **positions, **facts.repeated((facts.batch, rows))}
    first = facts.convolutions[0]
    transposed = first.window is not None and first.window.output_padding is not None
    shape = first.inputs[0].shape if transposed else first.outputs[0].shape
    return {"w": weights, "o": tuple(shape[2:]), **facts.repeated(shape)}


def flops_of(facts: LayerFacts) -> Derivation | Remark:
    """Return the FLOPs: of products by their MACs, else per output, by the operator's formula, or by operator."""
    operations = [op for op in (*facts.generating, *facts.operations) if op.flops]
    counts = [(op, op.flops) for op in operations]
    several = len({op.name for op in operations}) > 1
    return (
        _of_products(facts, operations)
        or _per_output(facts, operations)
        or (_by_operator(operations) if several else _sum_of_formulas("FLOPs", facts, counts))
        or _by_rule("FLOPs", counts)
    )


def _of_products(facts: LayerFacts, operations: Sequence[Operation]) -> Derivation | None:
    if not all(isinstance(op.flops, Count) and op.flops.formula in _OF_PRODUCTS for op in operations):
        return None
    additions = sum(op.flops - 2 * op.macs for op in operations)
    if additions:
        return derive("FLOPs", "2·{m} + {additions}", m=facts.row.macs, additions=additions)
    return derive("FLOPs", "2·{m}", m=facts.row.macs)


def _per_output(facts: LayerFacts, operations: Sequence[Operation]) -> Derivation | None:
    """Return one rate for each output of the layer, if every operator has one and all calls are alike."""
    calls, elements = max(facts.row.calls, 1), prod(facts.row.output_shape or ())
    if any(prod(op.outputs[0].shape) != elements for op in operations):
        return None
    windows: list[tuple[str, tuple[int, ...]]] = []
    constant = 0
    for op in operations:
        if _is_elementwise(op):
            constant += op.flops // elements
        elif (window := _window_of(op)) is not None:
            windows.append(window)
        else:
            return None
    if constant % calls or windows != windows[:1] * calls:
        return None
    formula, values = _rate(facts, constant // calls, windows[0] if windows else None)
    factors = facts.repeated(facts.row.output_shape or ())
    formula = "·".join([formula, *(f"{{{name}}}" for name in factors)])
    return derive("FLOPs", formula, **values, o=facts.outputs, **factors)


def _window_of(operation: Operation) -> tuple[str, tuple[int, ...]] | None:
    """Return the formula per output of a pooling operator and its window, None for any other operator."""
    if not isinstance(operation.flops, Count) or not (rate := _POOLING.fullmatch(operation.flops.formula)):
        return None
    kernel = operation.flops.values["k"]
    return (rate[1], kernel) if isinstance(kernel, tuple) else None


def _rate(facts: LayerFacts, constant: int, window: tuple[str, tuple[int, ...]] | None) -> Term:
    """Return the formula per output and its values: `constant` FLOPs, and those for the elements of a window."""
    if window is None:
        return ("{operations}·{o}", {"operations": constant}) if constant > 1 else ("{o}", {})
    formula, kernel = window
    if facts.row.type == "LocalResponseNorm":
        return f"({{n}} + {constant})·{{o}}", {"n": prod(kernel)}
    # torch's pooling of one dimension runs in two, of which the first has size one.
    kernel = kernel[-(len(facts.outputs) - 1) :]
    return (
        (f"({formula} + {{m}})·{{o}}", {"k": kernel, "m": constant})
        if constant
        else (f"{formula}·{{o}}", {"k": kernel})
    )


def _sum_of_formulas(symbol: str, facts: LayerFacts, counts: Sequence[tuple[Operation, int]]) -> Derivation | None:
    """Return the formula of each operator's count, once times the calls where they are alike, else as a sum."""
    terms = [term for op, number in counts if (term := _formula_of(op, number, facts.batch))]
    if len(terms) < len(counts):
        return None
    formula, values = terms[0]
    if len(terms) > 1 and terms == terms[:1] * facts.row.calls and "calls" not in values:
        return derive(symbol, f"({formula})·{{calls}}", **values, calls=facts.row.calls)
    return sum_of_formulas(symbol, terms) if len(terms) <= MOST_TERMS else None


def _formula_of(operation: Operation, number: int, batch: int) -> Term | None:
    """Return the formula of an operator's count with its values, if it has one; a batch of one is not a size."""
    if isinstance(number, Count):
        formula, values = number.formula, dict(number.values)
    elif _is_elementwise(operation):
        shape = operation.outputs[0].shape
        formula, values = "{o}", {"o": (*shape, rate) if (rate := number // prod(shape)) > 1 else shape}
    else:
        return None
    if batch == 1:
        values = {name: per_sample(v, 1) if isinstance(v, tuple) else v for name, v in values.items()}
    return formula, values


def _by_operator(operations: Sequence[Operation]) -> Derivation | None:
    """Return the sum of what several operators cost."""
    sums: defaultdict[str, int] = defaultdict(int)
    for operation in operations:
        sums[operation.name.rpartition(".")[2].strip("_")] += operation.flops
    return sum_of("FLOPs", **sums) if 1 < len(sums) <= MOST_TERMS else None


def _by_rule(symbol: str, counts: Sequence[tuple[Operation, int]]) -> Remark:
    """Return the figure, with the rule in words if a single rule without a formula counted it."""
    rules = {rule.text for op, number in counts if not isinstance(number, Count) and (rule := find_rule(op.name))}
    values = {"quantity": symbol, "traced": sum(number for _, number in counts)}
    return Remark("rule", {**values, "rule": rules.pop()}) if len(rules) == 1 else Remark("unlike", values)


def _is_elementwise(operation: Operation) -> bool:
    rule = find_rule(operation.name)
    return rule is not None and rule.is_elementwise
