"""Fourier transforms and distances."""

from __future__ import annotations

from math import log2, prod
from typing import Any

from torch import Tensor

from archbench.trace.costs.registry import Cost, cost


@cost("_fft_c2c")
def _complex_transform(x: Tensor, dims: Any, *_args: Any, out: Tensor) -> Cost:
    """FLOPs: 5 n log2 n per transform of n points, rounded (the convention of FFTW's benchmarks)."""
    return Cost(flops=round(_transform(out, dims)))


@cost("_fft_r2c", "_fft_c2r")
def _real_transform(x: Tensor, dims: Any, *_args: Any, out: Tensor) -> Cost:
    """FLOPs: 2.5 n log2 n per transform of n real points, rounded (the convention of FFTW's benchmarks)."""
    real = out if x.is_complex() else x
    return Cost(flops=round(_transform(real, dims) / 2))


def _transform(points: Tensor, dims: Any) -> float:
    n = prod(points.shape[dim] for dim in dims)
    return 5 * points.numel() * log2(n) if n else 0


@cost("_cdist_forward")
def _cdist(a: Tensor, b: Tensor, *_args: Any, out: Tensor) -> Cost:
    """FLOPs: 3 per result and feature: difference, power, addition; the last of them is the root."""
    return Cost(flops=3 * out.numel() * a.shape[-1])


@cost("_euclidean_dist")
def _euclidean_distance(a: Tensor, b: Tensor, *, out: Tensor) -> Cost:
    """MACs: results x (features + 2), as torch forms |a|² - 2 a·b + |b|² in one product; FLOPs: 2 per MAC, root 1.

    The squared norms are 2 per element of both.
    """
    macs = out.numel() * (a.shape[-1] + 2)
    return Cost(macs, 2 * macs + out.numel() + 2 * (a.numel() + b.numel()))


@cost("_cdist_backward")
def _cdist_backward(grad: Tensor, a: Tensor, b: Tensor, *_args: Any, out: Tensor) -> Cost:
    """FLOPs: 4 per distance and feature: difference, power, product with the gradient, addition."""
    return Cost(flops=4 * grad.numel() * a.shape[-1])


@cost("_pdist_forward")
def _pdist(x: Tensor, *_args: Any, out: Tensor) -> Cost:
    """FLOPs: 3 per result and feature: difference, power, addition; the last of them is the root."""
    return Cost(flops=3 * out.numel() * x.shape[-1])


@cost("_pdist_backward")
def _pdist_backward(grad: Tensor, x: Tensor, *_args: Any, out: Tensor) -> Cost:
    """FLOPs: 5 per distance and feature: difference, power, product with the gradient, an addition to both ends."""
    return Cost(flops=5 * grad.numel() * x.shape[-1])
