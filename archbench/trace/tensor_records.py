"""The record of a tensor, of any layout."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor

from archbench.errors import UsageError
from archbench.trace.records import TensorInfo


def tensor_info(tensor: Tensor) -> TensorInfo:
    """Return the record of a tensor, with the size of what it stores: for a jagged one the record of its values.

    Raises UsageError for nested tensors of the strided layout, which have no shape.
    """
    if tensor.layout is not torch.strided:
        return _sparse_info(tensor)
    try:
        shape = tuple(tensor.shape)
    except RuntimeError as error:
        if not tensor.is_nested:
            raise
        message = "a nested tensor of the strided layout cannot be traced; make it with layout=torch.jagged"
        raise UsageError(message) from error
    if tensor.is_contiguous():
        return TensorInfo(shape, tensor.dtype, tensor.numel() * tensor.element_size())
    strides = tensor.stride()
    # A dimension of stride 0 is expanded: its elements are stored once.
    elements = prod(n for n, stride in zip(shape, strides, strict=True) if stride)
    return TensorInfo(shape, tensor.dtype, elements * tensor.element_size(), strides)


def _sparse_info(tensor: Tensor) -> TensorInfo:
    with torch._C._DisableTorchDispatch():
        if tensor.layout is torch.jagged:
            values: Any = tensor._values  # of a subclass; sparse tensors have a method of this name
            return tensor_info(values)
        stored = _PARTS[tensor.layout](tensor)
        return TensorInfo(tuple(tensor.shape), tensor.dtype, sum(part.numel() * part.element_size() for part in stored))


def _by_rows(tensor: Tensor) -> tuple[Tensor, ...]:
    return tensor.crow_indices(), tensor.col_indices(), tensor.values()


def _by_columns(tensor: Tensor) -> tuple[Tensor, ...]:
    return tensor.ccol_indices(), tensor.row_indices(), tensor.values()


_PARTS: dict[torch.layout, Callable[[Tensor], tuple[Tensor, ...]]] = {
    torch.sparse_coo: lambda tensor: (tensor._indices(), tensor._values()),
    torch.sparse_csr: _by_rows,
    torch.sparse_bsr: _by_rows,
    torch.sparse_csc: _by_columns,
    torch.sparse_bsc: _by_columns,
}
