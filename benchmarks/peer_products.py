"""The products of a model, read from archbench's trace: where each ran, what it multiplies, and its factors by hand.

The factors are derived here from the shapes alone, apart from the rules of `archbench.trace.costs`: a convolution takes
(elements of the output) × (input channels of a group) × (elements of the kernel), a matrix product rows × inner size ×
columns, and attention two of those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

from archbench.trace.records import Layer, Operation, Trace

ATTENTION = "scaled_dot_product_attention"


@dataclass(frozen=True)
class Derivation:
    """Calls of the same product: its MACs are the product of `factors`, or by archbench's rule if those are empty."""

    operator: str
    factors: tuple[int, ...]
    calls: int
    macs: int


@dataclass(frozen=True)
class Module:
    """A module that was called: its products by name, and other work that some tools count as MACs, in elements.

    `input_elements` are those of the first call's first input, times the calls; as many as `output_elements` where
    the output has the shape of the input.
    """

    path: str
    type: str
    params: int
    input_elements: int
    output_elements: int
    products: Mapping[str, int]
    other: Mapping[str, int]

    @property
    def macs(self) -> int:
        """MACs of the products that ran in this module itself."""
        return sum(self.products.values())


def modules(trace: Trace) -> dict[str, Module]:
    """Return the modules that were called, by path; a product is on the module in whose forward it ran."""
    operations: dict[int, list[Operation]] = {}
    for operation in trace.operations:
        operations.setdefault(operation.layer, []).append(operation)
    return {
        layer.path: _module(layer, operations.get(index, []), trace)
        for index, layer in enumerate(trace.layers)
        if layer.calls or layer.path == "."
    }


def derivations(trace: Trace) -> list[Derivation]:
    """Return the model's products, equal ones together, in the order of their first call."""
    groups: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for operation in trace.operations:
        if operation.macs:
            groups.setdefault((_operator(operation), factors(operation)), []).append(operation.macs)
    return [
        Derivation(name, numbers if prod(numbers) * len(macs) == sum(macs) else (), len(macs), sum(macs))
        for (name, numbers), macs in groups.items()
    ]


def factors(operation: Operation) -> tuple[int, ...]:
    """Return numbers whose product is an operation's MACs, without ones; empty for an operator not derived here."""
    shapes = [info.shape for info in operation.inputs]
    numbers: tuple[int, ...]
    match operation.name.removeprefix("aten."):
        case "mm" | "bmm":
            numbers = (*shapes[0], shapes[1][-1])
        case "addmm" | "baddbmm" | "addmm_" | "baddbmm_":
            numbers = (*shapes[1], shapes[2][-1])
        case "convolution" | "_convolution":
            is_transposed = operation.window is not None and operation.window.output_padding is not None
            positions = shapes[0] if is_transposed else operation.outputs[0].shape
            numbers = (*positions, *shapes[1][1:])
        case name if "scaled_dot_product" in name:
            query, key, value = shapes[:3]
            numbers = (*query[:-1], key[-2], query[-1] + value[-1])
        case _:
            numbers = ()
    return tuple(number for number in numbers if number != 1)


def _module(layer: Layer, operations: Iterable[Operation], trace: Trace) -> Module:
    products, other = Counter[str](), Counter[str]()
    for operation in operations:
        if operation.macs:
            name = _product(operation, layer, trace)
            products[name] += operation.macs
            other.update(_beside(operation, name))
        elif operation.flops:
            other[operation.name.removeprefix("aten.")] += prod(operation.outputs[0].shape)
    keeps_shape = [info.shape for info in layer.inputs[:1]] == [info.shape for info in layer.outputs[:1]]
    first_input = sum(prod(info.shape) for info in layer.inputs[:1])
    return Module(
        layer.path,
        layer.type,
        sum(parameter.numel for parameter in layer.parameters),
        layer.output_elements if keeps_shape else first_input * layer.calls,
        layer.output_elements,
        products,
        other,
    )


def _product(operation: Operation, layer: Layer, trace: Trace) -> str:
    """Return what a product is called in its module: a parameter, an uncalled child, or its operator."""
    row = trace.row_of(operation)
    if row != layer.path:
        return row.removeprefix(layer.path).lstrip("./")
    shapes = {tuple(sorted(info.shape)) for info in operation.inputs}
    own = [parameter for parameter in layer.parameters if len(parameter.shape) > 1]
    return next((parameter.name for parameter in own if tuple(sorted(parameter.shape)) in shapes), _operator(operation))


def _beside(operation: Operation, name: str) -> dict[str, int]:
    """Return the elements of what a product's operator computes beside it."""
    shapes = [info.shape for info in operation.inputs]
    if _operator(operation) == ATTENTION:
        return {"softmax": prod(shapes[0][:-1]) * shapes[1][-2], "scaling of queries": prod(shapes[0])}
    additions = operation.flops - 2 * operation.macs
    return {"bias" if name == "weight" else f"bias of {name}": additions} if additions > 0 else {}


def _operator(operation: Operation) -> str:
    name = operation.origin.removeprefix("aten.")
    return ATTENTION if "scaled_dot_product" in name else name
