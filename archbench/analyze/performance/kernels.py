"""The kernels that a device runs for a trace: what each computes, and the bytes that it moves.

Eager, each operator is a kernel, and on a GPU the bias of a convolution is added by another. Tensor cores require
channels last, so in NCHW a convolution's input and result are copied. A normalisation of a tensor that is not
contiguous copies it first. Compiled, see `archbench.analyze.performance.fusion`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import torch

from archbench.analyze.performance.products import FILTERS, Product, is_convolution, is_depthwise, product_of
from archbench.analyze.performance.recurrent import is_recurrent, recurrent_parts
from archbench.trace.records import Operation, TensorInfo, Trace

Layout = Literal["nchw", "nhwc"]
MemoryKind = Literal["product", "pointwise", "copy", "layout", "group_norm", "reduction"]

_COPIES = frozenset(
    f"aten.{name}"
    for name in (
        "_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "as_strided_scatter", "avg_pool2d", "avg_pool2d_backward",
        "avg_pool3d", "cat", "clone", "col2im", "constant_pad_nd", "copy", "copy_", "flip", "gather", "im2col",
        "index", "index_add", "index_put", "index_select", "max_pool2d_with_indices",
        "max_pool2d_with_indices_backward", "max_pool3d_with_indices", "reflection_pad2d", "repeat", "roll", "scatter",
        "select_backward", "slice_backward", "stack", "unfold_backward", "upsample_bicubic2d", "upsample_bilinear2d",
        "upsample_nearest2d",
    )
)  # fmt: skip
_GROUP_NORMS = frozenset(("aten.native_group_norm", "aten.native_group_norm_backward"))
# Their kernels take contiguous tensors only.
_CONTIGUOUS_ONLY = frozenset(
    f"aten.{name}"
    for name in (
        "native_layer_norm", "native_layer_norm_backward", "native_group_norm", "_softmax", "_safe_softmax", "im2col",
    )
)  # fmt: skip
REORDERED = 3
HALF = (torch.float16, torch.bfloat16)


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kernel of a run, on the operation that it belongs to.

    `product` is what it multiplies, None for kernels that only move data; `flops` are those of the product. `moved` are
    the bytes of the tensors that it reads and writes, without the weights, which are `weight_bytes`. `launches` is 0
    for an operator that runs in the kernel of another, several for the steps of recurrent layers. `is_main` is False
    for further kernels of an operation.
    """

    operation: Operation
    product: Product | None
    flops: int
    memory: MemoryKind
    moved: tuple[int, ...]
    weight_bytes: int = 0
    launches: int = 1
    is_main: bool = True

    @property
    def moved_bytes(self) -> int:
        """All bytes that are read and written."""
        return sum(self.moved) + self.weight_bytes


def eager_kernels(trace: Trace, layout: Layout, *, is_gpu: bool) -> Iterator[Kernel]:
    """Yield the kernels of a run in order: forward, backward, update."""
    for operation in (*trace.operations, *trace.update):
        if not operation.is_free:
            yield from _operator_kernels(operation, layout, is_gpu=is_gpu)


def _operator_kernels(operation: Operation, layout: Layout, *, is_gpu: bool) -> Iterator[Kernel]:
    copied = [info for info in operation.inputs[:1] if operation.name in _CONTIGUOUS_ONLY]
    copies = [2 * info.size_bytes for info in copied if is_strided(info, layout)]
    if is_gpu and copies_to_channels_last(operation, layout):
        copies += _copied_tensors(operation)
    for size in copies:
        kind: MemoryKind = "layout" if is_convolution(operation) else "copy"
        yield Kernel(operation, None, 0, kind, (size,), is_main=False)
    yield from library_kernels(operation, layout, is_gpu=is_gpu)
    if is_gpu and operation.name == "aten.convolution" and len(operation.inputs) > 2:
        yield Kernel(operation, None, 0, "pointwise", (2 * operation.outputs[0].size_bytes,), is_main=False)


def library_kernels(operation: Operation, layout: Layout, *, is_gpu: bool) -> Iterator[Kernel]:
    """Yield the kernels of an operator by itself: one, but for recurrent layers."""
    if not is_recurrent(operation):
        kernel = _operator_kernel(operation, layout)
        # A CPU's library reads, writes and reads the filters of a convolution, in an order of its own.
        reordered = not is_gpu and kernel.product is not None and kernel.product.kind in FILTERS
        yield replace(kernel, weight_bytes=REORDERED * kernel.weight_bytes) if reordered else kernel
        return
    for i, part in enumerate(recurrent_parts(operation)):
        sizes = (part.moved, part.weight_bytes, part.launches)
        yield Kernel(operation, part.product, part.flops, "product", *sizes, is_main=i == 0)


def _operator_kernel(operation: Operation, layout: Layout) -> Kernel:
    product = product_of(operation)
    if product is not None and product.kind.startswith("odd_grouped") and layout == "nchw":
        even = "grouped_backward" if operation.is_backward else "grouped"
        product = replace(product, kind=even)  # type: ignore[arg-type]  # both are kinds
    moved, weight_bytes = _traffic(operation)
    return Kernel(
        operation=operation,
        product=product,
        flops=0 if product is None else operation.flops,
        memory="product" if product else memory_kind(operation, layout),
        moved=moved,
        weight_bytes=weight_bytes,
    )


def memory_kind(operation: Operation, layout: Layout) -> MemoryKind:
    """Return how an operator without products accesses memory."""
    if operation.name in _GROUP_NORMS:
        return "group_norm"
    if operation.name == "aten._to_copy":
        return "copy" if is_strided(operation.inputs[0], layout) else "pointwise"
    return "copy" if operation.name in _COPIES else "pointwise"


def _traffic(operation: Operation) -> tuple[tuple[int, ...], int]:
    """Return the bytes of each tensor that an operator moves, and those of the weights of a product."""
    is_weight = [bool(number) and bool(operation.macs) for number in operation.weights]
    read = [info.size_bytes for info in operation.inputs]
    weight_bytes = sum(size for size, weight in zip(read, is_weight, strict=True) if weight)
    if sum(read) != operation.read_bytes:  # read in part, or overwritten without being read
        return (max(0, operation.read_bytes - weight_bytes), operation.written_bytes), weight_bytes
    data = [size for size, weight in zip(read, is_weight, strict=True) if not weight]
    written = [info.size_bytes for info in operation.outputs]
    if sum(written) != operation.written_bytes:
        written = [operation.written_bytes]
    return (*data, *written), weight_bytes


def copies_to_channels_last(operation: Operation, layout: Layout) -> bool:
    """Return whether an operator is a convolution whose tensors are copied to channels last for tensor cores."""
    if layout != "nchw" or not is_convolution(operation) or operation.inputs[0].dtype not in HALF:
        return False
    return not is_depthwise(operation)


def _copied_tensors(operation: Operation) -> list[int]:
    data = operation.inputs[:2] if operation.name.endswith("_backward") else operation.inputs[:1]
    tensors = [info for info in (*data, operation.outputs[0]) if not _is_channels_last(info)]
    return [2 * info.size_bytes for info in tensors]


def is_strided(info: TensorInfo, layout: Layout) -> bool:
    """Return whether a tensor is not contiguous where activations have this layout.

    A trace has channels first. A view of such a tensor with the channels moved to the end is contiguous in NHWC.
    """
    if info.strides is None:
        return False
    if layout == "nhwc" and len(info.shape) in (3, 4):
        batch, *places, channels = info.strides
        ordered = (batch, channels, *places)
        return any(outer < inner for outer, inner in pairwise(ordered))
    return True


def _is_channels_last(info: TensorInfo) -> bool:
    if info.strides is None or len(info.shape) != 4:
        return False
    return info.strides[1] == 1 and info.strides[3] >= info.shape[1]
