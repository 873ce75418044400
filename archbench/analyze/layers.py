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

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from archbench.analyze.experts.active import ActiveParams, active_params
from archbench.analyze.layer_drafts import Draft, drafts
from archbench.analyze.other_weights import OtherWeights, other_weights
from archbench.analyze.parent_modules import ParentModule, parent_modules
from archbench.analyze.peak_memory import peak_bytes
from archbench.analyze.value_use import ValueUse, value_use
from archbench.trace.records import Operation, Trace, Window

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
    `parents` are the modules with children, by path; empty in a table that was read from a file.
    `active` and `other_weights` are None there, without experts, and without weights that are not parameters.
    `attention_kernels` are the fused kernels that ran, `unfused_attention` why other attention was separate products.
    `values` states how the counts depend on values.
    """

    rows: tuple[LayerRow, ...] = field(repr=False)
    totals: Totals
    uncounted: dict[str, int]
    unread: tuple[str, ...]
    doubts: frozenset[Doubt]
    parents: Mapping[str, ParentModule] = field(default_factory=dict, repr=False)
    active: ActiveParams | None = None
    other_weights: OtherWeights | None = None
    attention_kernels: tuple[str, ...] = ()
    unfused_attention: tuple[str, ...] = ()
    values: ValueUse = field(default_factory=ValueUse)


Doubt = Literal[
    "autocast", "fused recurrence", "no backward", "recurrence", "trainable external tensors", "unknown blocks",
    "unknown branches",
]  # fmt: skip


def layer_table(trace: Trace) -> LayerTable:
    """Return the layer table of a trace."""
    ordered = sorted(drafts(trace), key=lambda draft: draft.order)
    rows = tuple(_row(index, draft, trace) for index, draft in enumerate(ordered))
    sums = {name: sum(getattr(row, name) for row in rows) for name in _SUMMED}
    is_training = trace.mode == "train"
    active = active_params(trace)
    return LayerTable(
        rows=rows,
        totals=Totals(
            **sums,
            weight_layers=sum(draft.weight_layers for draft in ordered),
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
        parents=parent_modules(trace),
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


def _row(index: int, draft: Draft, trace: Trace) -> LayerRow:
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
