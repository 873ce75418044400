"""Reductions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from archbench.trace.costs.common import first, is_floating
from archbench.trace.costs.registry import Cost, cost
from archbench.trace.costs.sparse import stored
from archbench.trace.costs.symbolic import count


@cost("sum", "nansum", "prod", "amax", "amin", "max", "min", "argmax", "argmin")
def _reduction(x: Tensor, *args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: n - 1 additions, products or comparisons per result of n elements."""
    if not is_floating(x) or x.numel() <= first(out).numel():
        return Cost()
    return Cost(flops=count("{i} − {o}", i=x.shape, o=first(out).shape))


@cost("mean", "cumsum", "cumprod", "cummax", "cummin", "_cummax_helper", "_cummin_helper")
def _whole(x: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 1 per element of the input."""
    return Cost(flops=count("{i}", i=x.shape)) if is_floating(first(out)) else Cost()


@cost("aminmax", "_aminmax")
def _extremes(x: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 2(n - 1) comparisons per pair of results of n elements."""
    return Cost(flops=2 * (x.numel() - first(out).numel()) if is_floating(x) else 0)


@cost("segment_reduce", "_sparse_sum", "_coalesce")
def _segments(x: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 1 per element that is reduced; of a sparse tensor, per stored element."""
    return Cost(flops=x.numel() if x.layout is torch.strided else stored(x))


@cost("dist")
def _distance(x: Tensor, *_args: Any, out: Tensor) -> Cost:
    """FLOPs: 3 per element of the input: difference, power and sum, the last addition being the root."""
    return Cost(flops=3 * x.numel())


@cost("renorm")
def _renorm(x: Tensor, *_args: Any, out: Tensor) -> Cost:
    """FLOPs: 3 per element of the input: power, sum and scale."""
    return Cost(flops=3 * x.numel())


@cost("embedding_renorm")
def _embedding_renorm(table: Tensor, indices: Tensor, *_args: Any, out: Tensor) -> Cost:
    """FLOPs: 3 per element of a row that is looked up: power, sum and scale."""
    return Cost(flops=3 * indices.numel() * table.shape[-1])


@cost("trace")
def _trace(x: Tensor, *, out: Tensor) -> Cost:
    """FLOPs: 1 addition per element of the diagonal after the first."""
    return Cost(flops=max(min(x.shape) - 1, 0) if is_floating(x) else 0)


@cost("histc")
def _histogram(x: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 4 per element of the input: comparisons with both ends, a difference and a product for the bin."""
    return Cost(flops=4 * x.numel() if is_floating(x) else 0)


@cost("histogram", "_histogramdd_from_bin_tensors")
def _searched_histogram(x: Tensor, bins: Any, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: ⌈log2 (n + 1)⌉ comparisons per element of the input, by binary search among n boundaries."""
    boundaries = bins if isinstance(bins, (list, tuple)) else [bins]
    steps = sum((b.numel() if isinstance(b, Tensor) else b + 1).bit_length() for b in boundaries)
    return Cost(flops=steps * x.numel() // len(boundaries))


@cost("var", "var_mean")
def _variance(x: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 4 per element of the input: mean 1, difference 1, square 1, average 1."""
    return Cost(flops=count("4·{i}", i=x.shape))


@cost("std", "std_mean")
def _deviation(x: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 4 per element of the input as the variance, and 1 root per result."""
    return Cost(flops=count("4·{i} + {o}", i=x.shape, o=first(out).shape))


@cost("linalg_vector_norm", "linalg__powsum", "native_norm", "norm")
def _norm(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 2 per element of the input: power and sum, the last addition being the root."""
    return Cost(flops=count("2·{i}", i=x.shape))


@cost("logsumexp", "logcumsumexp", "_logcumsumexp")
def _logsumexp(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 4 per element of the input: maximum, subtraction, exponential, sum; the last of them is the logarithm."""
    return Cost(flops=count("4·{i}", i=x.shape))
