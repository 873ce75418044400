"""The record of one run of a model: immutable, plain data, the only input of the analyses.

Shapes include the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """The shape, dtype and size of a tensor. Elements that an expanded tensor repeats are counted once.

    `strides` are in elements; None for a contiguous tensor, of which they follow from the shape.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    size_bytes: int
    strides: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """The sliding window of a convolution or pooling operator, with one entry per spatial dimension.

    `groups` is None for pooling, `output_padding` for all but transposed convolutions. `rounds_up` is `ceil_mode`.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    groups: int | None
    dilation: tuple[int, ...]
    rounds_up: bool = False
    output_padding: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of one ATen operator.

    `layer` is the index in `Trace.layers` of the module in whose forward it ran, `step` its place in time. With
    `is_backward` it ran in the backward pass, for a call of `origin` in that module's forward; otherwise `origin` is
    `name`. `owners` are the layers that own parameters which `origin` multiplies by, if that has MACs. `is_free` is
    True for views and allocations, which neither compute nor move data. `counted` is False if the operator has no cost
    formula; `macs` and `flops` are then 0. `recomputed_macs`, not part of `macs`, are those of products that a kernel
    computes again. `weights` has an entry for each of `inputs`: the number of the storage if it holds a parameter or
    buffer of the model, or a tensor computed from those alone, 0 for data. `input_storages` and `output_storages` are
    the numbers of the storages of `inputs` and `outputs`: views of one tensor have the same.
    """

    name: str
    origin: str
    layer: int
    step: int
    is_backward: bool
    owners: tuple[int, ...]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    window: Window | None
    weights: tuple[int, ...]
    is_free: bool
    counted: bool
    macs: int
    flops: int
    read_bytes: int
    written_bytes: int
    recomputed_macs: int = 0
    input_storages: tuple[int, ...] = ()
    output_storages: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter, on the first layer that owns it. `was_read` states whether any operator read it.

    `shape` and `numel` are logical: of the values that quantised weights stand for. `size_bytes` is that of the data
    as it is stored, with scales and zero points.
    """

    name: str
    shape: tuple[int, ...]
    numel: int
    size_bytes: int
    trainable: bool
    was_read: bool


@dataclass(frozen=True, slots=True)
class OtherWeight:
    """A weight that is not a parameter: a buffer that products of the layer multiply by, or packed weights."""

    layer: int
    numel: int


@dataclass(frozen=True, slots=True)
class Layer:
    """One module, in the order of `named_modules()`; the root's `path` is `.` and its depth 0.

    `is_torch_module` states that its class is defined by torch, so that it is one layer whatever runs inside.
    `inputs` and `outputs` are the tensors of its first call; `output_elements` (of the first output) and
    `output_bytes` (of all) are sums over its calls. `first_step` is the step of its first call, None without calls.
    `connections` are the input maps that each of its output maps reads, of a module that states them in an attribute of
    that name; empty for others.
    """

    path: str
    type: str
    depth: int
    is_leaf: bool
    is_torch_module: bool
    calls: int
    first_step: int | None
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    output_elements: int
    output_bytes: int
    parameters: tuple[Parameter, ...]
    connections: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a module in the forward pass, with the tensors that it returned.

    `layer` is the module's index in `Trace.layers`. The operators that ran in it have a step from `begin` to `end`.
    """

    layer: int
    begin: int
    end: int
    outputs: tuple[TensorInfo, ...]


StorageKind = Literal["parameter", "buffer", "input", "gradient", "optimizer", "activation"]


@dataclass(frozen=True, slots=True)
class Storage:
    """A block of memory, its kind and its lifetime.

    It exists during the steps from `born` to `died`, both included; `died` is None if it outlives the run. An
    `activation` is any result of an operator: outputs, temporaries, gradients of activations. `optimizer` is the state
    that an optimizer keeps between steps.
    """

    kind: StorageKind
    size_bytes: int
    born: int
    died: int | None


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the layer table: that of a module, or of an operator's calls in a module; see `archbench.trace.rows`."""

    layer: int
    operator: str | None


@dataclass(frozen=True, slots=True)
class Trace:
    """One run of a model: its modules, the operators that ran, in order, and the storages that existed.

    `operations` are those of the forward and backward pass, `update` those of the `optimizer` after it, if any. `rows`
    has the row of each of `operations` by its step; `generating` are the steps of those that generate values for the
    operator of another row. `calls` are those of the modules, in the order in which they ended; `input_storages` and
    `output_storages` are the numbers of the storages of the model's inputs and outputs.
    `real_data_reason` is None if the model ran on tensors without data; otherwise it is the reason why the model ran
    on real data, and `has_random_data` states that some of that was random. `ones_reason` is the reason why integer
    inputs without values were taken as ones, None if none was. `saw_autocast` states that a module ran under autocast,
    `has_external_tensors` that the model used tensors which require gradients but are neither its parameters nor its
    inputs. `attention_kernels` are the fused kernels that attention ran as, `unfused_attention` what kept other calls
    from being fused. `has_unknown_blocks` states that `flex_attention` had a mask without values,
    `has_unknown_branches` that the first branch of a `torch.cond` ran because its predicate
    was not known.
    """

    layers: tuple[Layer, ...]
    operations: tuple[Operation, ...]
    update: tuple[Operation, ...]
    rows: Mapping[int, Row]
    generating: frozenset[int]
    storages: tuple[Storage, ...]
    inputs: tuple[TensorInfo, ...]
    mode: str
    optimizer: str | None
    real_data_reason: str | None
    saw_autocast: bool
    has_external_tensors: bool
    other_weights: tuple[OtherWeight, ...]
    attention_kernels: tuple[str, ...] = ()
    unfused_attention: tuple[str, ...] = ()
    has_unknown_blocks: bool = False
    has_unknown_branches: bool = False
    has_random_data: bool = False
    ones_reason: str | None = None
    calls: tuple[Call, ...] = ()
    input_storages: tuple[int, ...] = ()
    output_storages: tuple[int, ...] = ()

    def __repr__(self) -> str:
        operators, layers = len(self.operations), len(self.layers)
        counts = f"{operators} operator{'s' * (operators != 1)}, {layers} layer{'s' * (layers != 1)}"
        return f"<Trace of {counts}, {self.mode}, batch {self.batch}>"

    @property
    def batch(self) -> int:
        """The first dimension of the first input, 1 if there is none."""
        shape = self.inputs[0].shape if self.inputs else ()
        return shape[0] if shape else 1

    def row_of(self, operation: Operation) -> str:
        """Return the name of an operation's row in the layer table: a module's path, or `<path>/<operator>`."""
        row = self.rows[operation.step]
        path = self.layers[row.layer].path
        return path if row.operator is None else f"{path}/{row.operator.removeprefix('aten.')}"

    def name_of(self, operation: Operation) -> str:
        """Return `<path>/<operator>` of an operation: the module in which it ran, and its operator in forward."""
        return f"{self.layers[operation.layer].path}/{operation.origin.removeprefix('aten.')}"

    def runs_in_leaf(self, operation: Operation) -> bool:
        """Return whether an operation ran in the forward of a module without children, or belongs to its backward."""
        layer = self.layers[operation.layer]
        return layer.is_leaf and layer.first_step is not None
