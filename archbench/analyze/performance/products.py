"""The products of a run by the kind of kernel that computes them, with the sizes on which its efficiency depends.

A product sums over `depth` terms (K of a matrix product; the elements of a filter of a convolution) and has `columns`
results for each row (N; the output channels of a group). Tensor cores work on tiles, so small ones leave them idle.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

import torch

from archbench.trace.records import Operation

ProductKind = Literal[
    "convolution", "product", "stem", "depthwise", "grouped", "odd_grouped", "attention", "masked_attention",
    "convolution_backward", "depthwise_backward", "grouped_backward", "odd_grouped_backward",
]  # fmt: skip

# Convolutions with filters of several elements, other than 1x1.
FILTERS: tuple[ProductKind, ...] = ("convolution", "stem", "depthwise", "grouped", "odd_grouped")

MeasuredKind = Literal["product", "convolution", "depthwise"]

# Tensor cores load 16 bytes at once, 8 values of 16 bits.
_ALIGNMENT = 8
_STEM_CHANNELS = 4
# Channels last, libraries have fast kernels for narrow groups of a power of two of channels only.
_WIDE_GROUP = 96
_SUMS = frozenset(f"aten.{name}" for name in ("_addmm_activation", "addbmm", "addmm", "addmv", "baddbmm"))


@dataclass(frozen=True, slots=True)
class Product:
    """A product's kind, depth and columns; `is_aligned` states that both are multiples of 8."""

    kind: ProductKind
    depth: int
    columns: int
    is_aligned: bool
    dtype: torch.dtype


def product_of(operation: Operation) -> Product | None:
    """Return the product that an operation computes, None for other operations."""
    if not operation.macs:
        return None
    if is_convolution(operation):
        return _convolution(operation)
    if "attention" in operation.name:
        return _attention(operation)
    return _matrix_product(operation)


def is_convolution(operation: Operation) -> bool:
    """Return whether an operation is a convolution or its backward."""
    return operation.name in ("aten.convolution", "aten.convolution_backward")


def is_depthwise(operation: Operation) -> bool:
    """Return whether an operation is a convolution of each channel by itself."""
    return is_convolution(operation) and "depthwise" in _convolution(operation).kind


def _convolution(operation: Operation) -> Product:
    is_backward = operation.name.endswith("_backward")
    data, weight = operation.inputs[1:3] if is_backward else operation.inputs[:2]
    channels, per_group = data.shape[1], weight.shape[1]
    groups = max(1, channels // per_group) if operation.window is None else operation.window.groups or 1
    filters, size = weight.shape[0], prod(weight.shape[2:])
    per_group = channels // groups
    depth, columns = per_group * size, max(1, filters // groups)
    kind = _convolution_kind(per_group, groups, size)
    if is_backward:
        depth, columns = columns * size, per_group
        kind = _BACKWARD.get(kind, "convolution_backward")
    aligned = is_aligned(per_group, filters // groups)
    return Product(kind, depth, columns, aligned or kind not in _ALIGNED_KINDS, data.dtype)


def _convolution_kind(channels: int, groups: int, size: int) -> ProductKind:
    """Return the kind of a convolution with `channels` input channels per group and filters of `size` elements."""
    if groups > 1 and channels == 1:
        return "depthwise"
    if groups > 1:
        is_odd = channels & (channels - 1) and channels < _WIDE_GROUP
        return "odd_grouped" if is_odd else "grouped"
    if channels <= _STEM_CHANNELS:
        return "stem"
    return "product" if size == 1 else "convolution"


def measured_kind(kind: ProductKind) -> MeasuredKind:
    """Return the kind of product, of those whose ceiling can be measured, that a kind's library code resembles most."""
    if kind in ("product", "attention", "masked_attention"):
        return "product"
    return "depthwise" if kind.startswith("depthwise") else "convolution"


_BACKWARD: dict[ProductKind, ProductKind] = {
    "depthwise": "depthwise_backward",
    "grouped": "grouped_backward",
    "odd_grouped": "odd_grouped_backward",
}
# Other kinds have coefficients of their own, which cover this.
_ALIGNED_KINDS = frozenset(("convolution", "product", "convolution_backward"))


def _attention(operation: Operation) -> Product:
    query, key = operation.inputs[:2]
    shapes = [info.shape for info in operation.inputs]
    # Further inputs in forward are masks and biases; in backward there are others in any case.
    is_masked = not operation.is_backward and any(len(shape) == len(query.shape) for shape in shapes[3:4])
    return Product("masked_attention" if is_masked else "attention", query.shape[-1], key.shape[-2], True, query.dtype)


def _matrix_product(operation: Operation) -> Product:
    """Return the depth and columns of a matrix product, the smaller side of a batched one being the columns."""
    factors = operation.inputs[1:] if operation.name in _SUMS else operation.inputs
    first, last = factors[0], factors[1] if len(factors) > 1 else factors[0]
    depth = first.shape[-1] if first.shape else 1
    columns = last.shape[-1] if last.shape else 1
    if len(first.shape) == 3 and len(last.shape) == 3:
        columns = min(columns, first.shape[-2])
    return Product("product", depth, columns, is_aligned(depth, columns), first.dtype)


def is_aligned(depth: int, columns: int) -> bool:
    """Return whether tensor cores can load both sides of a product in whole."""
    return not depth % _ALIGNMENT and not columns % _ALIGNMENT
