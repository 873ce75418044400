"""Grouped matrix products, which multiply the experts of a mixture in one call."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from archbench.trace.costs.common import product
from archbench.trace.costs.registry import Cost, cost
from archbench.trace.costs.symbolic import Count, count


@cost("_grouped_mm")
def _grouped_matmul(
    a: Tensor, b: Tensor, offsets: Any = None, bias: Any = None, *_: Any, out: Tensor, **__: Any
) -> Cost:
    """MACs: rows x inner size x columns, a row meets the matrix of its group only; FLOPs: 2 per MAC, 1 per bias add.

    Offsets cut the rows (2-D by 3-D), the columns (3-D by 2-D) or the inner dimension (2-D by 2-D) into groups; 3-D by
    3-D is a batch of products. All of a cut dimension counts, also what lies beyond the last offset.
    """
    return product(out, _grouped_macs(a, b, out), 0 if bias is None else out.numel())


@cost("_scaled_grouped_mm", "_scaled_grouped_mm_v2")
def _scaled_grouped_matmul(a: Tensor, b: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """MACs as the grouped product; FLOPs: 2 per MAC, 1 per element of the result for its scale."""
    return product(out, _grouped_macs(a, b, out), out.numel())


@cost("_scaled_mm", "_scaled_mm_v2")
def _scaled_matmul(a: Tensor, b: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """MACs: rows x inner size x columns; FLOPs: 2 per MAC, 1 per element of the result for its scale."""
    return product(out, count("{o}·{n}", o=out.shape, n=_inner(a)), out.numel())


def _grouped_macs(a: Tensor, b: Tensor, out: Tensor) -> Count:
    """Return the MACs; `out` of a cut inner dimension has a product for each group, over its part of that dimension."""
    cuts_inner = a.dim() == b.dim() == 2
    return count("{o}·{n}", o=out.shape[1:] if cuts_inner else out.shape, n=_inner(a))


def _inner(a: Tensor) -> int:
    """Return the inner size of a product; an element of the 4-bit dtype holds two numbers."""
    return a.shape[-1] * (2 if a.dtype is torch.float4_e2m1fn_x2 else 1)
