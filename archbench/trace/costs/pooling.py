"""Pooling and resizing."""

from __future__ import annotations

from math import prod
from typing import Any

from torch import Tensor

from archbench.trace.costs.registry import Cost, cost


@cost("max_pool2d_with_indices")
def _max_pool2d(x: Tensor, kernel: Any, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: kernel elements - 1 comparisons per output."""
    return Cost(flops=(window_size(kernel, 2) - 1) * out[0].numel())


@cost("max_pool3d_with_indices")
def _max_pool3d(x: Tensor, kernel: Any, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: kernel elements - 1 comparisons per output."""
    return Cost(flops=(window_size(kernel, 3) - 1) * out[0].numel())


@cost("avg_pool2d")
def _avg_pool2d(x: Tensor, kernel: Any, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: kernel elements per output (one less for the additions, one for the division)."""
    return Cost(flops=window_size(kernel, 2) * out.numel())


@cost("avg_pool3d")
def _avg_pool3d(x: Tensor, kernel: Any, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: kernel elements per output (one less for the additions, one for the division)."""
    return Cost(flops=window_size(kernel, 3) * out.numel())


@cost("_adaptive_avg_pool2d", "_adaptive_avg_pool3d")
def _adaptive_avg_pool(x: Tensor, size: Any, *, out: Tensor) -> Cost:
    """FLOPs: elements of each output's own window, summed."""
    return Cost(flops=adaptive_elements(x, out))


@cost("adaptive_max_pool2d", "adaptive_max_pool3d")
def _adaptive_max_pool(x: Tensor, size: Any, *, out: Any) -> Cost:
    """FLOPs: elements of each output's own window - 1, summed."""
    return Cost(flops=adaptive_elements(x, out[0]) - out[0].numel())


@cost("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d")
def _upsample_linear(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 2^(d+1) - 1 per output: 2^d products of neighbours and weights, and their additions."""
    return Cost(flops=(2 ** (x.dim() - 1) - 1) * out.numel())


@cost("upsample_bicubic2d")
def _upsample_bicubic(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 31 per output: 16 products and 15 additions."""
    return Cost(flops=31 * out.numel())


def window_size(kernel: int | list[int], dimensions: int) -> int:
    """Return the number of elements of a window given as a number, a list of one, or one number a dimension."""
    if isinstance(kernel, int):
        return int(kernel**dimensions)
    return prod(kernel) if len(kernel) > 1 else int(kernel[0] ** dimensions)


def adaptive_elements(x: Tensor, out: Tensor) -> int:
    """Sum the window sizes: along one dimension, output i spans floor(i*in/out) to ceil((i+1)*in/out)."""
    spatial = min(x.dim() - 1, 3) if x.dim() == 5 else 2
    per_dimension = (
        sum(-(-(i + 1) * size // n) - i * size // n for i in range(n))
        for size, n in zip(x.shape[-spatial:], out.shape[-spatial:], strict=True)
    )
    return prod(x.shape[:-spatial]) * prod(per_dimension)


@cost("grid_sampler_2d", "grid_sampler_3d")
def _grid_sampler(x: Tensor, grid: Tensor, mode: int, *_: Any, out: Tensor) -> Cost:
    """FLOPs: per output 2^(d+1) - 1 where linear, 31 where cubic, 0 where nearest; 3 per coordinate for the place."""
    per_output = (2 ** (x.dim() - 1) - 1, 0, 31)[mode]
    return Cost(flops=per_output * out.numel() + 3 * grid.numel())
