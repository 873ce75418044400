"""MACs and FLOPs of a layer derived, each in every way that may give the traced figure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import prod

from archbench.analyze.explain.derivation import (
    MOST_TERMS,
    Derivation,
    Value,
    derive,
    product_of,
    sum_of,
    sum_over_calls,
)
from archbench.analyze.explain.layer_facts import NORMS, Case, per_sample
from archbench.analyze.explain.weights import bias_count, weights_of
from archbench.trace.costs import find_rule
from archbench.trace.records import Operation, Window


def macs_of(case: Case) -> Iterator[Derivation]:
    """Yield candidates for the MACs: how often each weight is used, or the sum of what the calls multiply."""
    weights = weights_of(case)
    if weights is not None:
        factors = _work(case, int(weights.result))
        # Where each weight is used once, the MACs are the weights.
        yield product_of("MACs", **factors) if len(factors) > 1 else replace(weights, symbol="MACs")
    products = [op for op in case.operations if op.macs]
    yield from sum_over_calls("MACs", [(*op.outputs[0].shape, op.macs // prod(op.outputs[0].shape)) for op in products])


def _work(case: Case, weights: int) -> dict[str, Value]:
    """Return the factors of the MACs: the weights, and how often each is used."""
    if not case.convolutions:
        product = case.products[0]
        rows = product.outputs[0].shape[0] // case.batch
        positions = {"positions": rows} if rows > 1 else {}
        return {"w": weights, **positions, **case.repeated((case.batch, rows))}
    first = case.convolutions[0]
    transposed = first.window is not None and first.window.output_padding is not None
    shape = first.inputs[0].shape if transposed else first.outputs[0].shape
    return {"w": weights, "o": tuple(shape[2:]), **case.repeated(shape)}


def flops_of(case: Case) -> Iterator[Derivation]:
    """Yield candidates for the FLOPs: by the kind of the layer first, then by its operators."""
    row, outputs = case.row, case.outputs
    factors = case.repeated(row.output_shape or ())
    if row.macs:
        additions = sum(prod(op.outputs[0].shape) for op in case.operations if bias_count(op))
        doubled = {"m": row.macs, "additions": additions}
        if additions:
            yield derive("FLOPs", "2·{m} + {additions}", lambda m, additions: 2 * m + additions, **doubled)
        else:
            yield derive("FLOPs", "2·{m}", lambda m: 2 * m, m=row.macs)
    elif row.type == "LocalResponseNorm":
        window = next(op.window for op in case.operations if op.window is not None)
        yield _times("({n} + 5)", lambda n: n + 5, outputs, factors, n=window.kernel[0])
    elif case.pooling is not None and case.pooling.window is not None:
        yield from _pooling_flops(case, case.pooling.window)
    elif all(_is_elementwise(op) for op in case.operations):
        each = row.flops // max(prod(outputs) * prod(factors.values()), 1)
        yield product_of("FLOPs", **({"operations": each} if each > 1 else {}), o=outputs, **factors)
    else:
        yield from _norm_flops(case)
    yield from _flops_by_operator(case)


def _times(
    each: str, compute: Callable[..., int], outputs: tuple[int, ...], factors: dict[str, int], **values: Value
) -> Derivation:
    """Return FLOPs of so many for each output."""
    rest = "·".join(["{o}", *(f"{{{name}}}" for name in factors)])

    def all_of_them(o: int, **numbers: int) -> int:
        own = {name: number for name, number in numbers.items() if name not in factors}
        return compute(**own) * o * prod(factors.values())

    return derive("FLOPs", f"{each}·{rest}", all_of_them, **values, o=outputs, **factors)


def _pooling_flops(case: Case, window: Window) -> Iterator[Derivation]:
    """A maximum compares k - 1 times, a mean adds and divides k times; more follows in a trainable subsampling."""
    factors, kernel = case.repeated(case.row.output_shape or ()), window.kernel[-(len(case.outputs) - 1) :]
    if case.pooling is not None and "max" in case.pooling.name:
        yield _times("({k} − 1)", lambda k: k - 1, case.outputs, factors, k=kernel)
    more = sum(_is_elementwise(op) for op in case.one_call)
    if more:
        yield _times("({k} + {m})", lambda k, m: k + m, case.outputs, factors, k=kernel, m=more)
    yield _times("{k}", lambda k: k, case.outputs, factors, k=kernel)


def _norm_flops(case: Case) -> Iterator[Derivation]:
    """Return normalisation, softmax and reduction by the rules of `archbench costs`, which are stated per call."""
    first = next((op for op in case.operations if op.name in NORMS), case.operations[0])
    shape = first.inputs[0].shape
    elements = shape if case.batch > 1 else per_sample(shape, case.batch)
    affine = len(case.parameters)
    if first.name == "aten.native_batch_norm":
        # Statistics of the input itself, as in instance normalisation, cost 4 an element more.
        for each in (2, 6):
            values: dict[str, Value] = {"e": each, "o": elements, "a": 3 + affine, "c": shape[1]}
            yield derive("FLOPs", "{e}·{o} + {a}·{c}", lambda e, o, a, c: e * o + a * c, **values)
    elif first.name in NORMS:
        values = {"a": 6 + affine, "o": elements, "g": prod(first.outputs[1].shape)}
        yield derive("FLOPs", "{a}·{o} + 2·{g}", lambda a, o, g: a * o + 2 * g, **values)
    elif "softmax" in first.name:
        for size in (shape[-1], shape[1 % len(shape)]):
            values = {"o": elements, "a": 1 if "log" in first.name else 2, "r": prod(shape) // size}
            yield derive("FLOPs", "5·{o} − {a}·{r}", lambda o, a, r: 5 * o - a * r, **values)
    else:
        # A mean over positions, or adaptive pooling that divides evenly: every input is met once.
        yield product_of("FLOPs", i=elements)
        values = {"i": elements, "o": tuple(first.outputs[0].shape)}
        yield derive("FLOPs", "{i} − {o}", lambda i, o: i - o, **values)


def _flops_by_operator(case: Case) -> Iterator[Derivation]:
    """What follows no formula of its kind is the sum of what its calls or its operators cost."""
    each = [divmod(op.flops, max(prod(op.outputs[0].shape), 1)) for op in case.operations]
    if len({op.name for op in case.operations}) == 1 and not any(rest for _, rest in each):
        sizes = [op.outputs[0].shape for op in case.operations]
        yield from sum_over_calls(
            "FLOPs", [(*size, rate) if rate > 1 else size for size, (rate, _) in zip(sizes, each, strict=True)]
        )
    sums: defaultdict[str, int] = defaultdict(int)
    for operation in case.operations:
        if operation.flops:
            sums[operation.name.rpartition(".")[2].strip("_")] += operation.flops
    if 1 < len(sums) <= MOST_TERMS:
        yield sum_of("FLOPs", **sums)


def _is_elementwise(operation: Operation) -> bool:
    rule = find_rule(operation.name)
    return rule is not None and rule.is_elementwise
