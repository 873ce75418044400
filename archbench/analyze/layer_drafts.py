"""The rows of the layer table before they have an index: which records each is computed from, and its place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

from archbench.trace.records import Layer, Operation, Parameter, Row, TensorInfo, Trace


@dataclass(slots=True)
class Draft:
    """A row before it has its index: its place in the order, and the records it is computed from."""

    order: tuple[float, ...]
    name: str
    type: str
    depth: int
    calls: int
    inputs: Sequence[TensorInfo]
    outputs: Sequence[TensorInfo]
    output_elements: int
    output_bytes: int
    operations: Sequence[Operation]
    backward: Sequence[Operation]
    generating: Sequence[Operation]
    parameters: Sequence[Parameter]
    is_torch_module: bool

    @property
    def products(self) -> list[Operation]:
        """The operations that multiply by weights."""
        return [operation for operation in self.operations if operation.macs and any(operation.weights)]

    @property
    def weight_layers(self) -> int:
        """At most 1 for a module of torch; elsewhere the number of distinct sets of weights."""
        sets = {tuple(key for key in operation.weights if key) for operation in self.products}
        return min(len(sets), 1) if self.is_torch_module else len(sets)

    @property
    def neurons(self) -> int:
        """The outputs of the weight layers, for the whole batch."""
        if self.is_torch_module:
            return self.output_elements if self.products else 0
        return sum(prod(operation.outputs[0].shape) for operation in self.products)


def drafts(trace: Trace) -> Iterable[Draft]:
    """Yield the rows of a trace, in the order of its layers."""
    operations: defaultdict[Row, list[Operation]] = defaultdict(list)
    generating: defaultdict[Row, list[Operation]] = defaultdict(list)
    for operation in trace.operations:
        groups = generating if operation.step in trace.generating else operations
        groups[trace.rows[operation.step]].append(operation)
    by_layer = _costed(trace.layers, operations)
    ends = _last_steps(trace.layers, by_layer)
    for position, layer in enumerate(trace.layers):
        module = Row(position, None)
        if layer.is_leaf and layer.first_step is not None:
            yield _module_draft(layer, (layer.first_step,), operations[module], generating[module])
            continue
        for row in by_layer[position]:
            yield _operator_draft(layer, row, operations[row], generating[row])
        if layer.parameters and module not in by_layer[position]:
            # After its children: after the last row below it, and after the parameters of deeper modules.
            yield _module_draft(layer, (ends[position], -layer.depth, position), (), ())


def _costed(layers: Sequence[Layer], operations: dict[Row, list[Operation]]) -> list[dict[Row, int]]:
    """Return for each layer its rows and the steps at which they start.

    Rows that cost nothing, neither in forward nor in the backward pass, are left out.
    """
    by_layer: list[dict[Row, int]] = [{} for _ in layers]
    for row, calls in operations.items():
        if not all(call.is_free for call in calls):
            by_layer[row.layer][row] = calls[0].step
    return by_layer


def _last_steps(layers: Sequence[Layer], rows: Sequence[dict[Row, int]]) -> list[float]:
    """Return for each layer the step at which the last row at or below it starts; where nothing ran, its parent's."""
    by_path: dict[str, float] = {}
    for layer, starts in zip(layers, rows, strict=True):
        end = max(starts.values(), default=-1)
        if layer.is_leaf and layer.first_step is not None:
            end = layer.first_step
        for path in _ancestors(layer.path):
            by_path[path] = max(by_path.get(path, -1), end)
    return [next((by_path[path] for path in _ancestors(layer.path) if by_path[path] >= 0), -1) for layer in layers]


def _ancestors(path: str) -> Iterable[str]:
    """Yield a path, those above it, and the root's `.`."""
    yield path
    while "." in path and path != ".":
        path = path.rpartition(".")[0]
        yield path
    if path != ".":
        yield "."


def _module_draft(
    layer: Layer, order: tuple[float, ...], operations: Sequence[Operation], generating: Sequence[Operation]
) -> Draft:
    return Draft(
        order=order,
        name=layer.path,
        type=layer.type,
        depth=layer.depth,
        calls=layer.calls,
        inputs=layer.inputs,
        outputs=layer.outputs,
        output_elements=layer.output_elements,
        output_bytes=layer.output_bytes,
        operations=[operation for operation in operations if not operation.is_backward],
        backward=[operation for operation in operations if operation.is_backward],
        generating=generating,
        parameters=layer.parameters,
        is_torch_module=layer.is_torch_module,
    )


def _operator_draft(layer: Layer, row: Row, operations: Sequence[Operation], generating: Sequence[Operation]) -> Draft:
    """Return the row of an operator's calls in a module, or of the products with the module's own parameters."""
    calls = [operation for operation in operations if not operation.is_backward]
    first = operations[0]
    is_module = row.operator is None
    operator = (row.operator or "").removeprefix("aten.")
    return Draft(
        order=(first.step,),
        name=layer.path if is_module else f"{layer.path}/{operator}",
        type=layer.type if is_module else operator,
        depth=layer.depth if is_module else layer.depth + 1,
        calls=len(calls),
        inputs=[info for info, weight in zip(first.inputs, first.weights, strict=True) if not weight],
        outputs=first.outputs,
        output_elements=0,
        output_bytes=sum(info.size_bytes for call in calls for info in call.outputs if not call.is_free),
        operations=calls,
        backward=[operation for operation in operations if operation.is_backward],
        generating=generating,
        parameters=layer.parameters if is_module else (),
        is_torch_module=False,
    )
