"""Resizing of images and sampling of grids, with their backward passes."""

from __future__ import annotations

from math import ceil, prod
from typing import Any

from torch import Tensor

from archbench.trace.costs.registry import Cost, cost
from archbench.trace.costs.symbolic import count


@cost("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d")
def _upsample_linear(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 2^(d+1) - 1 per output: 2^d products of neighbours and weights, and their additions."""
    return Cost(flops=count("{o}·{n}", o=out.shape, n=2 ** (x.dim() - 1) - 1))


@cost("upsample_bicubic2d")
def _upsample_bicubic(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 31 per output: 16 products and 15 additions."""
    return Cost(flops=count("{o}·{n}", o=out.shape, n=31))


@cost("_upsample_bilinear2d_aa")
def _antialiased_bilinear(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 2k - 1 per result of a pass along columns, then rows; k = ⌈2 max(in/out, 1)⌉ pixels meet their weights."""
    return Cost(flops=_in_passes(x.shape, out.shape, 1))


@cost("_upsample_bicubic2d_aa")
def _antialiased_bicubic(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 2k - 1 per result of a pass along columns, then rows; k = ⌈4 max(in/out, 1)⌉ pixels meet their weights."""
    return Cost(flops=_in_passes(x.shape, out.shape, 2))


@cost("_upsample_lanczos2d_aa")
def _antialiased_lanczos(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 2k - 1 per result of a pass along columns, then rows; k = ⌈6 max(in/out, 1)⌉ pixels meet their weights."""
    return Cost(flops=_in_passes(x.shape, out.shape, 3))


@cost("grid_sampler_2d", "grid_sampler_3d")
def _grid_sampler(x: Tensor, grid: Tensor, mode: int, *_: Any, out: Tensor) -> Cost:
    """FLOPs: per output 2^(d+1) - 1 where linear, 31 where cubic, 0 where nearest; 3 per coordinate for the place."""
    per_output = (2 ** (x.dim() - 1) - 1, 0, 31)[mode]
    return Cost(flops=per_output * out.numel() + 3 * grid.numel())


@cost(
    "upsample_nearest1d_backward", "upsample_nearest2d_backward", "upsample_nearest3d_backward",
    "_upsample_nearest_exact1d_backward", "_upsample_nearest_exact2d_backward", "_upsample_nearest_exact3d_backward",
)  # fmt: skip
def _upsample_nearest_backward(*_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 0, gradients are put where they belong; the bytes count."""
    return Cost()


@cost("upsample_linear1d_backward", "upsample_bilinear2d_backward", "upsample_trilinear3d_backward")
def _upsample_linear_backward(grad: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 2^(d+1) per gradient: a product and an addition for each of 2^d neighbours."""
    return Cost(flops=2 ** (grad.dim() - 1) * grad.numel())


@cost("upsample_bicubic2d_backward")
def _upsample_bicubic_backward(grad: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 32 per gradient: a product and an addition for each of 16 neighbours."""
    return Cost(flops=32 * grad.numel())


@cost("_upsample_bilinear2d_aa_backward")
def _antialiased_bilinear_backward(grad: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 2k per gradient of both passes, k as in forward: a product and an addition for each pixel."""
    return Cost(flops=_in_passes(out.shape, grad.shape, 1, additions=0))


@cost("_upsample_bicubic2d_aa_backward")
def _antialiased_bicubic_backward(grad: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 2k per gradient of both passes, k as in forward: a product and an addition for each pixel."""
    return Cost(flops=_in_passes(out.shape, grad.shape, 2, additions=0))


@cost("_upsample_lanczos2d_aa_backward")
def _antialiased_lanczos_backward(grad: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 2k per gradient of both passes, k as in forward: a product and an addition for each pixel."""
    return Cost(flops=_in_passes(out.shape, grad.shape, 3, additions=0))


@cost("grid_sampler_2d_backward", "grid_sampler_3d_backward")
def _grid_sampler_backward(
    grad: Tensor, x: Tensor, grid: Tensor, mode: int, padding: int, corners: bool, wanted: Any, *, out: Any
) -> Cost:
    """FLOPs: per gradient and neighbour 2 for the input's (1 in all if nearest) and 3 per dimension for the grid's.

    There are 2^d neighbours, 16 if cubic; the place is 3 per coordinate as in forward.
    """
    dimensions = x.dim() - 2
    if mode == 1:
        per_gradient = int(wanted[0])
    else:
        per_gradient = (2**dimensions if mode == 0 else 16) * (2 * wanted[0] + 3 * dimensions * wanted[1])
    return Cost(flops=per_gradient * grad.numel() + 3 * grid.numel())


def _in_passes(size: Any, new_size: Any, support: int, additions: int = 1) -> int:
    """Return the FLOPs of resizing columns, then rows, with a filter of this support, wider where it shrinks."""
    *outer, rows, columns = size
    *_, new_rows, new_columns = new_size
    across = rows * new_columns * (2 * _pixels(columns, new_columns, support) - additions)
    down = new_rows * new_columns * (2 * _pixels(rows, new_rows, support) - additions)
    total: int = prod(outer) * (across + down)
    return total


def _pixels(size: int, new_size: int, support: int) -> int:
    return ceil(2 * support * max(size / new_size, 1))
