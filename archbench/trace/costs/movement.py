"""Operators that create, move or select values, and the sums among them."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from archbench.trace.costs.common import is_floating
from archbench.trace.costs.registry import Cost, cost


@cost(
    "all", "any", "arange", "bernoulli", "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "cat",
    "channel_shuffle", "clone", "complex", "constant_pad_nd", "copy", "exponential", "eye", "fill", "flip", "full",
    "full_like", "im2col", "linspace", "logical_and", "logical_not", "logical_or", "logical_xor", "masked_fill",
    "max_unpool2d", "max_unpool3d", "new_full", "new_ones", "new_zeros", "normal", "ones", "ones_like",
    "pixel_shuffle", "pixel_unshuffle", "rand", "rand_like", "randint", "randn", "randn_like", "random",
    "reflection_pad1d", "reflection_pad2d", "repeat", "replication_pad1d", "replication_pad2d", "roll",
    "scalar_tensor", "scatter", "stack", "tril", "triu", "uniform", "_unsafe_index",
    "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "where", "zero", "zeros", "zeros_like",
)  # fmt: skip
@cost("_to_copy", is_elementwise=True)
def _movement(*_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 0, values are made, moved or chosen; the bytes count."""
    return Cost()


@cost("embedding", "index_select", "index", "gather")
def _lookup(table: Tensor, *args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 0; of the table only what is looked up is read."""
    indices = (t for a in args for t in (a if isinstance(a, list) else [a]) if isinstance(t, Tensor))
    index_bytes = sum(t.numel() * t.element_size() for t in indices)
    return Cost(read_bytes=out.numel() * out.element_size() + index_bytes)


@cost("index_put", "_index_put_impl", "_unsafe_index_put")
def _index_put(x: Tensor, indices: Any, values: Tensor, accumulate: bool = False, *_: Any, out: Any) -> Cost:
    """FLOPs: 1 per value where values accumulate, else 0."""
    return Cost(flops=values.numel() if accumulate and is_floating(values) else 0)


@cost("scatter_add", "index_add")
def _scatter_add(x: Tensor, dim: int, index: Tensor, source: Tensor, *_: Any, out: Any, **__: Any) -> Cost:
    """FLOPs: 1 per element added."""
    return Cost(flops=source.numel() if is_floating(source) else 0)


@cost("col2im")
def _col2im(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 1 per element of the columns that are summed."""
    return Cost(flops=x.numel())


@cost("_embedding_bag", "_embedding_bag_forward_only")
def _embedding_bag(table: Tensor, indices: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 1 per looked-up element for the sum; of the table only what is looked up is read."""
    looked_up = indices.numel() * table.shape[1]
    index_bytes = indices.numel() * indices.element_size()
    return Cost(flops=looked_up, read_bytes=looked_up * table.element_size() + index_bytes)
