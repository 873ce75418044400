"""The parameters of a layer, derived: weights from filters or features, and biases."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from archbench.analyze.explain.derivation import (
    MOST_TERMS,
    Derivation,
    Remark,
    checked,
    derive,
    product_of,
    sum_of,
    sum_over_calls,
)
from archbench.analyze.explain.layer_facts import NORMS, LayerFacts, per_sample
from archbench.trace.costs import Count
from archbench.trace.costs.symbolic import Value
from archbench.trace.records import Operation, Parameter


def parameters_of(facts: LayerFacts) -> Iterator[Derivation | Remark]:
    """Yield a layer's weights, and its parameters where those are more than the weights."""
    weights, biases = weights_of(facts), _biases(facts)
    if weights is not None and weights.result + biases == facts.row.params:
        yield weights
        if biases:
            yield sum_of("parameters", weights=int(weights.result), biases=biases)
        return
    is_norm = "Norm" in facts.row.type or any(op.name in NORMS for op in facts.operations)
    names = {"weight": "scales", "bias": "shifts"} if is_norm else {"weight": "weights", "bias": "biases"}
    own = {names.get(parameter.name, parameter.name): _sizes(parameter) for parameter in facts.parameters}
    yield checked("parameters", facts.row.params, [sum_of("parameters", **own)] if len(own) <= MOST_TERMS else [])


def _biases(facts: LayerFacts) -> int:
    if facts.recurrent is not None:
        return sum(parameter.numel for parameter in facts.parameters if len(parameter.shape) == 1)
    return sum(bias_count(op) for op in (*facts.convolutions, *facts.products))


def _sizes(parameter: Parameter) -> Value:
    return parameter.shape if len(parameter.shape) > 1 else parameter.numel


def weights_of(facts: LayerFacts) -> Derivation | None:
    """Return the number of weights in the convolutions, the recurrent layers or the single product of a call."""
    if facts.recurrent is not None and isinstance(facts.recurrent.macs, Count):
        weights = facts.recurrent.macs.values["w"]
        assert isinstance(weights, Count), "as in `archbench.trace.costs.recurrent`"
        return derive("weights", weights.formula, **weights.values)
    shapes = [op.inputs[1].shape for op in facts.convolutions]
    if len(shapes) == 1:
        return product_of("weights", k=shapes[0][2:], c=shapes[0][1], f=shapes[0][0])
    if shapes:
        return next(sum_over_calls("weights", [(*shape[2:], *shape[1::-1]) for shape in shapes]), None)
    if len(facts.products) != 1:
        return None
    *kernel, maps = volume_taken(facts, facts.products[0])
    filters = facts.products[0].inputs[-1].shape[1]
    window = {"k": tuple(kernel)} if prod(kernel) > 1 else {}
    return product_of("weights", **window, c=maps, f=filters)


def bias_count(operation: Operation) -> int:
    """Return the number of biases that a convolution or product adds."""
    place = 2 if operation.name == "aten.convolution" else 0
    has_one = len(operation.inputs) == 3 and operation.weights[place]
    return prod(operation.inputs[place].shape) if has_one else 0


def volume_taken(facts: LayerFacts, product: Operation) -> tuple[int, ...]:
    """Return height × width × maps of a linear layer's input: the volume that was flattened, or 1×1×features."""
    features = product.inputs[-1].shape[0]
    if product.outputs[0].shape[0] == facts.batch:
        for row in reversed(facts.earlier):
            shape = per_sample(row.output_shape or (), facts.batch)
            if prod(shape) != features:
                break
            if len(shape) > 1:
                return (*shape[1:], shape[0])
    return (1, 1, features)
