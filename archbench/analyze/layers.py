"""The layer table: one row per leaf module, or per operator that ran directly in a module with children.

Conventions. `archbench.trace.rows` has the rule for each operation. A product with a parameter of a module that has
children, or that is never called, stands on a row of that module together with its parameters; each use is a call.
Other parameters that no executed leaf holds stand on a row of their module too; a parameter that several modules
share is on the first of them in the model's order. Operators that generate values, such as a mask, have no row: their
FLOPs and bytes are those of the row that reads the values. Costs are sums over all calls and for the whole batch,
neurons are per sample; kernel, stride, padding and groups are those of the row's convolutions or poolings where all
agree. So parameters, MACs, FLOPs and bytes sum to the totals. Costs are the forward pass's; in mode `train` the columns
`backward_macs` and `backward_flops` are the backward pass's, recomputation by checkpoints included.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import prod
from typing import TYPE_CHECKING, Any, Literal

from archbench.analyze.experts.active import ActiveParams, active_params
from archbench.analyze.other_weights import OtherWeights, other_weights
from archbench.analyze.peak_memory import peak_bytes
from archbench.analyze.value_use import ValueUse, value_use
from archbench.trace.records import Layer, Operation, Parameter, Row, TensorInfo, Trace, Window

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# Fields that are None, and not written, except in mode `train`; `peak_inference_bytes` except in mode `eval`,
# `active_params` except for a mixture of experts.
OPTIONAL_FIELDS = frozenset(
    {
        "active_params",
        "backward_macs",
        "backward_flops",
        "training_macs",
        "recomputed_macs",
        "peak_inference_bytes",
        "peak_training_bytes",
    }
)
# Totals that are sums over the rows.
_SUMMED = (
    "params", "trainable_params", "param_bytes", "neurons", "macs", "flops", "read_bytes", "written_bytes",
)  # fmt: skip


def as_record(row: DataclassInstance) -> dict[str, Any]:
    """Return the fields of a record that were computed, by name."""
    values = ((field.name, getattr(row, field.name)) for field in fields(row))
    return {name: value for name, value in values if value is not None or name not in OPTIONAL_FIELDS}


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One row of the table; the fields are the columns. Shapes include the batch; `depth` is 0 for the root."""

    index: int
    name: str
    type: str
    depth: int
    calls: int
    input_shape: tuple[int, ...] | None
    output_shape: tuple[int, ...] | None
    kernel: tuple[int, ...] | None
    stride: tuple[int, ...] | None
    padding: tuple[int, ...] | None
    groups: int | None
    params: int
    trainable_params: int
    neurons: int
    macs: int
    flops: int
    param_bytes: int
    output_bytes: int
    read_bytes: int
    written_bytes: int
    intensity: float | None
    backward_macs: int | None = None
    backward_flops: int | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """A model's sums. `weight_layers` are torch's own layers that multiply by weights, and elsewhere sets of weights.

    `training_macs` are those of forward and backward pass together, `backward_flops` those of the backward pass; both
    are None outside mode `train`, as are `recomputed_macs`, which fused kernels compute again and `training_macs` leave
    out. `peak_inference_bytes` is of mode `eval`, `peak_training_bytes` of `train`; see
    `archbench.analyze.peak_memory`. `active_params` are the parameters that one token of a mixture of experts uses,
    None for other models.
    """

    params: int
    trainable_params: int
    param_bytes: int
    weight_layers: int
    neurons: int
    macs: int
    flops: int
    read_bytes: int
    written_bytes: int
    training_macs: int | None = None
    recomputed_macs: int | None = None
    backward_flops: int | None = None
    peak_inference_bytes: int | None = None
    peak_training_bytes: int | None = None
    active_params: int | None = None

    @property
    def intensity(self) -> float | None:
        """FLOPs per byte read or written, None where nothing moved."""
        return _ratio(self.flops, self.read_bytes + self.written_bytes)


@dataclass(frozen=True, slots=True)
class LayerTable:
    """The rows in order of first execution, their totals, and what could not be counted.

    `uncounted` are the calls of operators without a cost formula, `unread` the modules of which no operator read
    a parameter. `doubts` are circumstances under which figures differ from those of a real device; `report` says how.
    `parent_types` are the types of the modules with children, by path; empty in a table that was read from a file.
    `active` and `other_weights` are None there, without experts, and without weights that are not parameters.
    `attention_kernels` are the fused kernels that ran, `unfused_attention` why other attention was separate products.
    `values` states how the counts depend on values.
    """

    rows: tuple[LayerRow, ...] = field(repr=False)
    totals: Totals
    uncounted: dict[str, int]
    unread: tuple[str, ...]
    doubts: frozenset[Doubt]
    parent_types: Mapping[str, str] = field(default_factory=dict, repr=False)
    active: ActiveParams | None = None
    other_weights: OtherWeights | None = None
    attention_kernels: tuple[str, ...] = ()
    unfused_attention: tuple[str, ...] = ()
    values: ValueUse = field(default_factory=ValueUse)


Doubt = Literal[
    "autocast", "fused recurrence", "no backward", "recurrence", "trainable external tensors", "unknown blocks",
    "unknown branches",
]  # fmt: skip


@dataclass(slots=True)
class _Draft:
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


def layer_table(trace: Trace) -> LayerTable:
    """Return the layer table of a trace."""
    drafts = sorted(_drafts(trace), key=lambda draft: draft.order)
    rows = tuple(_row(index, draft, trace) for index, draft in enumerate(drafts))
    sums = {name: sum(getattr(row, name) for row in rows) for name in _SUMMED}
    is_training = trace.mode == "train"
    active = active_params(trace)
    return LayerTable(
        rows=rows,
        totals=Totals(
            **sums,
            weight_layers=sum(draft.weight_layers for draft in drafts),
            training_macs=sums["macs"] + sum(row.backward_macs or 0 for row in rows) if is_training else None,
            recomputed_macs=sum(op.recomputed_macs for op in trace.operations) if is_training else None,
            backward_flops=sum(row.backward_flops or 0 for row in rows) if is_training else None,
            peak_inference_bytes=None if is_training else peak_bytes(trace),
            peak_training_bytes=peak_bytes(trace) if is_training else None,
            active_params=None if active is None else active.params,
        ),
        uncounted=dict(Counter(op.name for op in trace.operations if not op.counted)),
        unread=tuple(
            layer.path
            for layer in trace.layers
            if layer.parameters and not any(parameter.was_read for parameter in layer.parameters)
        ),
        doubts=frozenset(_doubts(trace)),
        parent_types={layer.path: layer.type for layer in trace.layers if not layer.is_leaf},
        active=active,
        other_weights=other_weights(trace),
        attention_kernels=trace.attention_kernels,
        unfused_attention=trace.unfused_attention,
        values=value_use(trace),
    )


def _doubts(trace: Trace) -> Iterable[Doubt]:
    if any(operation.name == "aten._cudnn_rnn" for operation in trace.operations):
        yield "fused recurrence"
    elif any(layer.type in ("GRU", "LSTM", "RNN") and layer.is_torch_module and layer.calls for layer in trace.layers):
        yield "recurrence"
    if trace.saw_autocast:
        yield "autocast"
    if trace.has_unknown_blocks:
        yield "unknown blocks"
    if trace.has_unknown_branches:
        yield "unknown branches"
    if trace.has_external_tensors:
        yield "trainable external tensors"
    trainable = any(parameter.trainable for layer in trace.layers for parameter in layer.parameters)
    if trace.mode == "train" and trainable and not any(operation.is_backward for operation in trace.operations):
        yield "no backward"


def _drafts(trace: Trace) -> Iterable[_Draft]:
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
) -> _Draft:
    return _Draft(
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


def _operator_draft(layer: Layer, row: Row, operations: Sequence[Operation], generating: Sequence[Operation]) -> _Draft:
    """Return the row of an operator's calls in a module, or of the products with the module's own parameters."""
    calls = [operation for operation in operations if not operation.is_backward]
    first = operations[0]
    is_module = row.operator is None
    operator = (row.operator or "").removeprefix("aten.")
    return _Draft(
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


def _row(index: int, draft: _Draft, trace: Trace) -> LayerRow:
    window = _common_window(draft.operations)
    backward = [*draft.backward, *(operation for operation in draft.generating if operation.is_backward)]
    forward = [*draft.operations, *(operation for operation in draft.generating if not operation.is_backward)]
    flops = sum(operation.flops for operation in forward)
    read = sum(operation.read_bytes for operation in forward)
    written = sum(operation.written_bytes for operation in forward)
    return LayerRow(
        index=index,
        name=draft.name,
        type=draft.type,
        depth=draft.depth,
        calls=draft.calls,
        input_shape=draft.inputs[0].shape if draft.inputs else None,
        output_shape=draft.outputs[0].shape if draft.outputs else None,
        kernel=window.kernel or None,
        stride=window.stride or None,
        padding=window.padding or None,
        groups=window.groups,
        params=sum(parameter.numel for parameter in draft.parameters),
        trainable_params=sum(parameter.numel for parameter in draft.parameters if parameter.trainable),
        neurons=draft.neurons // max(trace.batch, 1),
        macs=sum(operation.macs for operation in draft.operations),
        flops=flops,
        param_bytes=sum(parameter.size_bytes for parameter in draft.parameters),
        output_bytes=draft.output_bytes,
        read_bytes=read,
        written_bytes=written,
        intensity=_ratio(flops, read + written),
        backward_macs=sum(operation.macs for operation in draft.backward) if trace.mode == "train" else None,
        backward_flops=sum(operation.flops for operation in backward) if trace.mode == "train" else None,
    )


def _common_window(operations: Iterable[Operation]) -> Window:
    """Return the values that all windows share; empty or None where they differ or there are none."""
    windows = [operation.window for operation in operations if operation.window is not None]

    def agreed(values: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
        distinct = set(values)
        return distinct.pop() if len(distinct) == 1 else ()

    groups = {window.groups for window in windows}
    return Window(
        kernel=agreed(window.kernel for window in windows),
        stride=agreed(window.stride for window in windows),
        padding=agreed(window.padding for window in windows),
        groups=groups.pop() if len(groups) == 1 else None,
        dilation=agreed(window.dilation for window in windows),
    )


def _ratio(flops: int, moved_bytes: int) -> float | None:
    return flops / moved_bytes if moved_bytes else None
