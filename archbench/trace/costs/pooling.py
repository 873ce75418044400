"""Pooling."""

from __future__ import annotations

from math import prod
from typing import Any

from torch import Tensor

from archbench.trace.costs.registry import Cost, cost
from archbench.trace.costs.symbolic import Count, count
from archbench.trace.kernel_window import per_dimension


@cost("max_pool2d_with_indices")
def _max_pool2d(x: Tensor, kernel: Any, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: kernel elements - 1 comparisons per output."""
    return Cost(flops=count("({k} − 1)·{o}", k=per_dimension(kernel, 2), o=out[0].shape))


@cost("max_pool3d_with_indices")
def _max_pool3d(x: Tensor, kernel: Any, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: kernel elements - 1 comparisons per output."""
    return Cost(flops=count("({k} − 1)·{o}", k=per_dimension(kernel, 3), o=out[0].shape))


@cost("fractional_max_pool2d", "fractional_max_pool3d")
def _fractional_max_pool(x: Tensor, kernel: Any, *_args: Any, out: Any) -> Cost:
    """FLOPs: kernel elements - 1 comparisons per output."""
    return Cost(flops=(prod(kernel) - 1) * out[0].numel())


@cost("avg_pool2d")
def _avg_pool2d(x: Tensor, kernel: Any, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: kernel elements per output (one less for the additions, one for the division)."""
    return Cost(flops=count("{k}·{o}", k=per_dimension(kernel, 2), o=out.shape))


@cost("avg_pool3d")
def _avg_pool3d(x: Tensor, kernel: Any, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: kernel elements per output (one less for the additions, one for the division)."""
    return Cost(flops=count("{k}·{o}", k=per_dimension(kernel, 3), o=out.shape))


@cost("_adaptive_avg_pool2d", "_adaptive_avg_pool3d")
def _adaptive_avg_pool(x: Tensor, size: Any, *, out: Tensor) -> Cost:
    """FLOPs: elements of each output's own window, summed."""
    return Cost(flops=adaptive_elements(x, out))


@cost("adaptive_max_pool2d", "adaptive_max_pool3d")
def _adaptive_max_pool(x: Tensor, size: Any, *, out: Any) -> Cost:
    """FLOPs: elements of each output's own window - 1, summed."""
    elements = adaptive_elements(x, out[0])
    if isinstance(elements, Count):
        return Cost(flops=count("{i} − {o}", i=x.shape, o=out[0].shape))
    return Cost(flops=elements - out[0].numel())


def adaptive_elements(x: Tensor, out: Tensor) -> int:
    """Sum the window sizes: along one dimension, output i spans floor(i*in/out) to ceil((i+1)*in/out)."""
    spatial = min(x.dim() - 1, 3) if x.dim() == 5 else 2
    sizes = list(zip(x.shape[-spatial:], out.shape[-spatial:], strict=True))
    if all(n and size % n == 0 for size, n in sizes):
        return count("{i}", i=x.shape)  # the windows do not overlap
    spans = (sum(-(-(i + 1) * size // n) - i * size // n for i in range(n)) for size, n in sizes)
    return prod(x.shape[:-spatial]) * prod(spans)
