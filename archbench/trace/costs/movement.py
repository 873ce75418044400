"""Operators that create, move or select values, and the sums among them."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from archbench.trace.costs.common import is_floating
from archbench.trace.costs.registry import Cost, cost
from archbench.trace.costs.symbolic import count


@cost(
    "all", "any", "arange", "as_strided_scatter", "bartlett_window", "bernoulli", "bincount", "binomial",
    "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor",
    "blackman_window", "block_diag", "cat", "cauchy", "channel_shuffle", "_chunk_cat", "clone", "complex",
    "constant_pad_nd", "_convert_indices_from_coo_to_csr", "_convert_indices_from_csr_to_coo",
    "_convert_weight_to_int4pack", "_convert_weight_to_int4pack_for_cpu", "copy", "count_nonzero", "diag_embed",
    "diagonal_scatter", "_dyn_quant_pack_4bit_weight", "exponential", "eye", "fft_fftfreq", "fft_rfftfreq", "fill",
    "flip", "full", "full_like", "gcd", "geometric", "hamming_window", "hann_window", "im2col", "index_copy",
    "index_fill", "_is_all_true", "_is_any_true", "_jagged_to_padded_dense_forward", "kaiser_window", "_lazy_clone",
    "lcm", "linspace", "log_normal", "logical_and", "logical_not", "logical_or", "logical_xor", "logspace",
    "lu_unpack", "masked_fill", "masked_scatter", "masked_scatter_backward", "masked_select", "max_unpool2d",
    "max_unpool3d", "multinomial", "new_full", "new_ones", "new_zeros", "nonzero", "nonzero_static", "normal",
    "normal_functional", "ones", "ones_like", "_pack_padded_sequence", "_padded_dense_to_jagged_forward",
    "_philox_normal", "_philox_randint", "_philox_uniform", "_pin_memory", "pixel_shuffle", "pixel_unshuffle",
    "poisson", "put", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "random", "randperm",
    "range", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d", "repeat", "repeat_interleave",
    "replication_pad1d", "replication_pad2d", "replication_pad3d", "roll", "rot90", "_sample_dirichlet",
    "scalar_tensor", "scatter", "select_scatter", "slice_scatter", "sparse_mask", "_sparse_mask_projection",
    "_spdiags", "stack", "_stack", "_standard_gamma", "take", "_to_dense", "to_padded_tensor", "_to_sparse",
    "_to_sparse_bsc", "_to_sparse_bsr", "_to_sparse_csc", "_to_sparse_csr", "tril", "tril_indices", "triu",
    "triu_indices", "uniform", "_unsafe_index", "_unsafe_masked_index", "upsample_nearest1d", "upsample_nearest2d",
    "upsample_nearest3d", "_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d",
    "where", "zero", "zeros", "zeros_like", "__lshift__", "__rshift__",
)  # fmt: skip
@cost("_to_copy", is_elementwise=True)
def _movement(*_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 0, values are made, moved or chosen; the bytes count."""
    return Cost()


@cost(
    "alias_copy", "as_strided_copy", "detach_copy", "diagonal_copy", "expand_copy", "narrow_copy", "permute_copy",
    "select_copy", "slice_copy", "split_copy", "split_with_sizes_copy", "squeeze_copy", "t_copy", "transpose_copy",
    "unbind_copy", "unfold_copy", "unsqueeze_copy", "view_as_complex_copy", "view_as_real_copy", "view_copy",
)  # fmt: skip
def _view_copy(*_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 0, a view is copied; the bytes count."""
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


@cost("_unsafe_masked_index_put_accumulate")
def _masked_index_put(x: Tensor, mask: Tensor, indices: Any, values: Tensor, *, out: Tensor) -> Cost:
    """FLOPs: 1 per value."""
    return Cost(flops=values.numel())


@cost("scatter_add", "index_add")
def _scatter_add(x: Tensor, dim: int, index: Tensor, source: Tensor, *_: Any, out: Any, **__: Any) -> Cost:
    """FLOPs: 1 per element added."""
    return Cost(flops=source.numel() if is_floating(source) else 0)


@cost("scatter_reduce")
def _scatter_reduce(x: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 1 per element that is reduced; a mean divides each element of the result."""
    return Cost(flops=index.numel() + (reduce == "mean") * out.numel() if is_floating(x) else 0)


@cost("index_reduce")
def _index_reduce(x: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 1 per element that is reduced; a mean divides each element of the result."""
    return Cost(flops=source.numel() + (reduce == "mean") * out.numel() if is_floating(x) else 0)


@cost("col2im")
def _col2im(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 1 per element of the columns that are summed."""
    return Cost(flops=x.numel())


@cost("_embedding_bag", "_embedding_bag_forward_only")
def _embedding_bag(table: Tensor, indices: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 1 per looked-up element for the sum; of the table only what is looked up is read."""
    looked_up = indices.numel() * table.shape[1]
    index_bytes = indices.numel() * indices.element_size()
    summed = count("{i}·{d}", i=indices.shape, d=table.shape[1])
    return Cost(flops=summed, read_bytes=looked_up * table.element_size() + index_bytes)
