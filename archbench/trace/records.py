"""What one run of a model leaves behind: plain, immutable, raw integers.

A `Trace` is all that the analyses see. Shapes include the batch; bytes are bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor without its data. `size_bytes` counts elements that an expanded tensor repeats once."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Window:
    """How a convolution or pooling slides: one entry a spatial dimension; `groups` is None for pooling.

    `rounds_up` is pooling's ceil mode. `output_padding` is a transposed convolution's, None for all others.
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
    `is_backward` it ran in the backward pass, for a call of `origin` in that module's forward; else that is `name`.
    `is_free` marks views and allocations, which compute and move nothing. `counted` is False where no cost
    formula is known; its macs and flops are then 0 and say nothing. `weights` stands beside `inputs`: the
    storage's number for a parameter or buffer of the model, or a tensor computed from those alone, 0 for data.
    """

    name: str
    origin: str
    layer: int
    step: int
    is_backward: bool
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


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter on the first layer that owns it. `was_read` says whether any operator took it."""

    name: str
    numel: int
    size_bytes: int
    trainable: bool
    was_read: bool


@dataclass(frozen=True, slots=True)
class Layer:
    """One module, in the order of `named_modules()`; the root's `path` is `.` and its depth 0.

    `is_torchs` says that its class is one of torch's own, so that it is one layer whatever runs inside.
    `inputs` and `outputs` are the tensors of its first call; `output_elements` (of the first output) and
    `output_bytes` (of all) are sums over its calls. `first_step` is when it was first entered, None if it never was.
    """

    path: str
    type: str
    depth: int
    is_leaf: bool
    is_torchs: bool
    calls: int
    first_step: int | None
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    output_elements: int
    output_bytes: int
    parameters: tuple[Parameter, ...]


StorageKind = Literal["parameter", "buffer", "input", "gradient", "optimizer", "activation"]


@dataclass(frozen=True, slots=True)
class Storage:
    """A piece of memory: what it holds, and from which step to which it is there.

    It is there during the steps from `born` to `died`, both included; `died` is None if it outlives the run. An
    `activation` is whatever operators make: outputs, temporaries, gradients on their way. `optimizer` is what an
    optimizer keeps from step to step.
    """

    kind: StorageKind
    size_bytes: int
    born: int
    died: int | None


@dataclass(frozen=True, slots=True)
class Trace:
    """One run of a model: its modules, every operator that ran, in order, and every storage there was.

    `operations` are those of the forward and backward pass, `update` those of the `optimizer` after it, if any.
    `real_data_reason` is None when the model ran on tensors without data; else it says why that was
    not possible and real arithmetic was done. `saw_autocast` says that a module ran under autocast, `has_strangers`
    that it used tensors which are neither the model's nor its inputs and require gradients.
    """

    layers: tuple[Layer, ...]
    operations: tuple[Operation, ...]
    update: tuple[Operation, ...]
    storages: tuple[Storage, ...]
    inputs: tuple[TensorInfo, ...]
    mode: str
    optimizer: str | None
    real_data_reason: str | None
    saw_autocast: bool
    has_strangers: bool

    @property
    def batch(self) -> int:
        """The first size of the first input, 1 where there is none."""
        shape = self.inputs[0].shape if self.inputs else ()
        return shape[0] if shape else 1

    def row_of(self, operation: Operation) -> str:
        """Return the row of the layer table that an operation belongs to: a leaf module, or `<path>/<operator>`."""
        layer = self.layers[operation.layer]
        if layer.is_leaf and layer.first_step is not None:
            return layer.path
        return f"{layer.path}/{operation.origin.removeprefix('aten.')}"
