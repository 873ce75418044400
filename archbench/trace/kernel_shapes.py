"""Compute the output shapes of fused kernels: attention and cuDNN's recurrent layers.

torch's meta kernels of attention are written in Python and slow to load; cuDNN's backward has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from archbench.trace.shapes import shape_rule

# The efficient kernel rounds the number of queries up to this for its sums.
_QUERY_BLOCK = 32


def _like(tensor: Tensor, *sizes: int, dtype: torch.dtype | None = None) -> Tensor:
    return torch.empty(sizes, dtype=dtype or tensor.dtype, device="meta")


def _in_layout_of(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """Return a dense tensor whose dimensions lie in memory in the same order as those of `tensor`."""
    stride = tensor.stride()
    order = sorted(range(len(shape)), key=lambda dim: -stride[dim])
    return torch.empty_permuted(shape, order, dtype=tensor.dtype, device="meta")


def _heads_last(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """Return a tensor of batch x heads x length x size that lies in memory as batch x length x heads x size."""
    return torch.empty_permuted(shape, (0, 2, 1, 3), dtype=tensor.dtype, device="meta")


@shape_rule("_scaled_dot_product_flash_attention.default")
def _flash(query: Tensor, key: Tensor, value: Tensor, *_args: Any, **_: Any) -> tuple[Any, ...]:
    out = _in_layout_of(query, (*query.shape[:-1], value.shape[-1]))
    sums = _like(query, *query.shape[:-1], dtype=torch.float32)
    random_state, unused = _like(query, 2, dtype=torch.uint64), _like(query, 0, dtype=torch.uint64)
    return out, sums, None, None, query.shape[2], key.shape[2], random_state, unused, _like(query, 0)


@shape_rule("_scaled_dot_product_flash_attention_backward.default")
def _flash_backward(_grad: Tensor, *tensors: Any, **_: Any) -> tuple[Tensor, ...]:
    return tuple(_in_layout_of(tensor, tensor.shape) for tensor in tensors[:3])


@shape_rule("_scaled_dot_product_efficient_attention.default")
def _efficient(
    query: Tensor, _key: Tensor, value: Tensor, _bias: Any, needs_sums: bool, *_args: Any, **_: Any
) -> tuple[Tensor, ...]:
    batch, heads, queries, _size = query.shape
    out = _heads_last(query, (batch, heads, queries, value.shape[-1]))
    rounded = -(-queries // _QUERY_BLOCK) * _QUERY_BLOCK if needs_sums else 0
    sums = _like(query, batch, heads, rounded, dtype=torch.float32)
    return out, sums, _like(query, dtype=torch.int64), _like(query, dtype=torch.int64)


@shape_rule("_scaled_dot_product_efficient_attention_backward.default")
def _efficient_backward(
    _grad: Tensor, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, *args: Any, **_: Any
) -> tuple[Tensor | None, ...]:
    gradients = [_heads_last(tensor, tensor.shape) for tensor in (query, key, value)]
    needs_bias = args[5][3]
    return *gradients, _like(bias, *bias.shape) if bias is not None and needs_bias else None


@shape_rule("_scaled_dot_product_flash_attention_for_cpu.default")
def _for_cpu(query: Tensor, *_args: Any, **_: Any) -> tuple[Tensor, Tensor]:
    sums = torch.float64 if query.dtype is torch.float64 else torch.float32
    return _in_layout_of(query, query.shape), _like(query, *query.shape[:-1], dtype=sums)


@shape_rule("_scaled_dot_product_flash_attention_for_cpu_backward.default")
def _for_cpu_backward(_grad: Tensor, *tensors: Any, **_: Any) -> tuple[Tensor, ...]:
    return tuple(_heads_last(tensor, tensor.shape) for tensor in tensors[:3])


@shape_rule("flex_attention", namespace="higher_order")
def _flex(
    query: Tensor, _key: Tensor, value: Tensor, _score_mod: Any, _mask: Any, _scale: float, options: Any, *_: Any
) -> tuple[Tensor, ...]:
    rows = query.shape[:-1]
    sums, maxima = (rows if options[wanted] else (0,) for wanted in ("OUTPUT_LOGSUMEXP", "OUTPUT_MAX"))
    out = _in_layout_of(query, (*rows, value.shape[-1]))
    return out, _like(query, *sums, dtype=torch.float32), _like(query, *maxima, dtype=torch.float32)


@shape_rule("flex_attention_backward", namespace="higher_order")
def _flex_backward(*tensors: Any) -> tuple[Any, ...]:
    return *(_in_layout_of(tensor, tensor.shape) for tensor in tensors[:3]), ()


@shape_rule("_cudnn_rnn.default")
def _recurrent(
    data: Tensor, _weights: Any, _per_cell: int, _buffer: Any, hidden: Tensor, cell: Tensor | None, _mode: int,
    _hidden_size: int, _projected: int, layers: int, _batch_first: bool, _dropout: float, _train: bool,
    bidirectional: bool, *_: Any,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Of the space that cuDNN reserves, only the outputs between layers are known without a GPU."""
    out = _like(data, *data.shape[:-1], hidden.shape[-1] * (1 + bidirectional))
    last_cell = _like(data, 0) if cell is None else _like(cell, *cell.shape)
    reserve = _like(data, (layers - 1) * out.numel() * out.element_size(), dtype=torch.uint8)
    return out, _like(hidden, *hidden.shape), last_cell, reserve, _like(data, 0)


@shape_rule("_cudnn_rnn_backward.default")
def _recurrent_backward(
    data: Tensor, weights: Any, _per_cell: int, _buffer: Any, hidden: Tensor, cell: Tensor | None, *args: Any
) -> tuple[Any, ...]:
    wanted = args[-1]
    into = _like(data, *data.shape) if wanted[0] else None
    into_hidden = _like(hidden, *hidden.shape) if wanted[1] else None
    into_cell = _like(cell, *cell.shape) if wanted[2] and cell is not None else None
    into_weights = [_like(weight, *weight.shape) for weight in weights] if wanted[3] else []
    return into, into_hidden, into_cell, into_weights
