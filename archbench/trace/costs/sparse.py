"""Products with sparse matrices, in which each stored element meets the columns of the other matrix."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from archbench.trace.costs.common import product
from archbench.trace.costs.registry import Cost, cost
from archbench.trace.costs.symbolic import Count, count


@cost("_sparse_addmm", "sspaddmm")
def _add_sparse_matmul(added: Tensor, a: Tensor, b: Tensor, *, beta: Any = 1, out: Tensor, **_: Any) -> Cost:
    """MACs: stored elements x columns; FLOPs: 2 per MAC, 1 per element of the result for the addition, if any."""
    return product(out, sparse_macs(a, b), out.numel() if beta and out.layout is torch.strided else 0)


@cost("hspmm", "_sparse_mm_reduce_impl")
def _sparse_matmul(a: Tensor, b: Tensor, *_args: Any, out: Any) -> Cost:
    """MACs: stored elements x columns; FLOPs: 2 per MAC."""
    return product(b, sparse_macs(a, b))


@cost("_sparse_sparse_matmul")
def _sparse_sparse_matmul(a: Tensor, b: Tensor, *, out: Tensor) -> Cost:
    """MACs: stored elements x those of the other matrix per row, on average, rounded; FLOPs: 2 per MAC."""
    return product(out, round(stored(a) * stored(b) / max(b.shape[0], 1)))


@cost("sparse_sampled_addmm")
def _sampled_matmul(pattern: Tensor, a: Tensor, b: Tensor, *, out: Tensor, **_: Any) -> Cost:
    """MACs: stored elements x inner size; FLOPs: 2 per MAC, 1 per stored element for the addition."""
    return product(a, count("{e}·{n}", e=stored(pattern), n=a.shape[-1]), stored(pattern))


def sparse_macs(a: Tensor, b: Tensor) -> Count:
    """Return the MACs of a product of which one matrix is sparse."""
    if a.layout is torch.strided:
        return count("{e}·{r}", e=stored(b), r=a.shape[:-1])
    return count("{e}·{c}", e=stored(a), c=b.shape[-1] if b.dim() > 1 else 1)


def stored(matrix: Tensor) -> int:
    """Return how many elements a sparse matrix stores."""
    values = matrix._values() if matrix.layout is torch.sparse_coo else matrix.values()
    return int(values.numel())
