"""Parameters of a layer derived: the weights from the filters or features they belong to, the biases beside them."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from archbench.analyze.explain.derivation import (
    MOST_TERMS,
    Derivation,
    Remark,
    checked,
    product_of,
    sum_of,
    sum_over_calls,
)
from archbench.analyze.explain.layer_facts import NORMS, Case, per_sample
from archbench.trace.records import Operation


def parameters_of(case: Case) -> Iterator[Derivation | Remark]:
    """Yield a layer's weights, and its parameters where those are more than the weights."""
    weights, biases = weights_of(case), sum(bias_count(op) for op in (*case.convolutions, *case.products))
    if weights is not None and weights.result + biases == case.row.params:
        yield weights
        if biases:
            yield sum_of("parameters", weights=int(weights.result), biases=biases)
        return
    is_norm = any(op.name in NORMS for op in case.operations)
    names = {"weight": "scales", "bias": "shifts"} if is_norm else {"weight": "weights", "bias": "biases"}
    own = {names.get(parameter.name, parameter.name): parameter.numel for parameter in case.parameters}
    yield checked("parameters", case.row.params, [sum_of("parameters", **own)] if len(own) <= MOST_TERMS else [])


def weights_of(case: Case) -> Derivation | None:
    """Return how many weights the convolutions or the one product of a call have."""
    shapes = [op.inputs[1].shape for op in case.convolutions]
    if len(shapes) == 1:
        return product_of("weights", k=shapes[0][2:], c=shapes[0][1], f=shapes[0][0])
    if shapes:
        return next(sum_over_calls("weights", [(*shape[2:], *shape[1::-1]) for shape in shapes]), None)
    if len(case.products) != 1:
        return None
    *kernel, maps = volume_taken(case, case.products[0])
    filters = case.products[0].inputs[-1].shape[1]
    window = {"k": tuple(kernel)} if prod(kernel) > 1 else {}
    return product_of("weights", **window, c=maps, f=filters)


def bias_count(operation: Operation) -> int:
    """Return how many biases a convolution or product adds."""
    place = 2 if operation.name == "aten.convolution" else 0
    has_one = len(operation.inputs) == 3 and operation.weights[place]
    return prod(operation.inputs[place].shape) if has_one else 0


def volume_taken(case: Case, product: Operation) -> tuple[int, ...]:
    """Return height × width × maps of what a linear layer takes: the volume that was flattened, else 1×1×features."""
    features = product.inputs[-1].shape[0]
    if product.outputs[0].shape[0] == case.batch:
        for row in reversed(case.earlier):
            shape = per_sample(row.output_shape or (), case.batch)
            if prod(shape) != features:
                break
            if len(shape) > 1:
                return (*shape[1:], shape[0])
    return (1, 1, features)
