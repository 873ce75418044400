"""The blocks of a model in which tokens are routed to experts: who calls the experts, and what chooses among them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from archbench.trace.records import Layer, Operation, Trace

# Operators that select along a dimension. `max` also has other uses, so that its presence alone proves nothing.
_CHOICES = ("aten.topk", "aten.argmax", "aten.max")


@dataclass(frozen=True, slots=True)
class Mixture:
    """The experts of one block: their number, those that a token uses, and the parameters of all."""

    experts: int
    chosen: int
    params: int


class Blocks:
    """A trace's layers, in the order of `named_modules()`, with the operators that choose along a dimension."""

    def __init__(self, trace: Trace) -> None:
        self.layers = trace.layers
        self._by_path = {layer.path: layer for layer in trace.layers}
        self._choices = [
            (trace.layers[operation.layer].path, operation.inputs[0].shape[-1], _width(operation))
            for operation in trace.operations
            if operation.name in _CHOICES and operation.inputs[0].shape and not operation.is_backward
        ]
        self.operations: dict[int, list[Operation]] = {}
        for operation in trace.operations:
            if not operation.is_backward:
                self.operations.setdefault(operation.layer, []).append(operation)

    def caller(self, layer: Layer) -> Layer:
        """Return the nearest module above a layer that was called, which containers are not; the root has itself."""
        path = layer.path
        while path != ".":
            path = path.rpartition(".")[0] or "."
            if self._by_path[path].calls:
                return self._by_path[path]
        return layer

    def chosen(self, layer: Layer, experts: int) -> int | None:
        """Return how many of so many experts an operator in the block of a layer chooses, 0 if unknown.

        None if no operator chooses.
        """
        block = self.caller(layer).path
        prefix = "" if block == "." else f"{block}."
        widths = [width for path, count, width in self._choices if count == experts and f"{path}.".startswith(prefix)]
        return widths[-1] if widths else None


def experts_per_token(rows: int, tokens: int, experts: int) -> int | None:
    """Return the rows that experts multiply per token, if they are a whole number and fewer than the experts."""
    chosen, remainder = divmod(rows, tokens) if tokens else (0, 0)
    return chosen if not remainder and 0 < chosen < experts else None


def tokens_into(layers: Iterable[Layer], width: int) -> int:
    """Return the tokens that come into the first of these layers with fewest, 0 if none has an input of that width."""
    counts = []
    for layer in layers:
        shapes = [info.shape for info in layer.inputs if info.dtype.is_floating_point]
        counts += [prod(shape[:-1]) for shape in shapes if shape[-1:] == (width,)][:1]
    return min(counts, default=0)


def _width(operation: Operation) -> int:
    return operation.outputs[0].shape[-1] if operation.name == "aten.topk" else int(operation.name == "aten.argmax")
