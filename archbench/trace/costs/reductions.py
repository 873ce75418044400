"""Reductions."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from archbench.trace.costs.common import first, is_floating
from archbench.trace.costs.registry import Cost, cost
from archbench.trace.costs.symbolic import count


@cost("sum", "prod", "amax", "amin", "max", "min", "argmax", "argmin")
def _reduction(x: Tensor, *args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: n - 1 additions, products or comparisons per result of n elements."""
    if not is_floating(x) or x.numel() <= first(out).numel():
        return Cost()
    return Cost(flops=count("{i} − {o}", i=x.shape, o=first(out).shape))


@cost("mean", "cumsum", "cumprod")
def _whole(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 1 per element of the input."""
    return Cost(flops=count("{i}", i=x.shape)) if is_floating(out) else Cost()


@cost("var", "var_mean")
def _variance(x: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 4 per element of the input: mean 1, difference 1, square 1, average 1."""
    return Cost(flops=count("4·{i}", i=x.shape))


@cost("std", "std_mean")
def _deviation(x: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 4 per element of the input as the variance, and 1 root per result."""
    return Cost(flops=count("4·{i} + {o}", i=x.shape, o=first(out).shape))


@cost("linalg_vector_norm")
def _norm(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 2 per element of the input: power and sum, the last addition being the root."""
    return Cost(flops=count("2·{i}", i=x.shape))


@cost("logsumexp")
def _logsumexp(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 4 per element of the input: maximum, subtraction, exponential, sum; the last of them is the logarithm."""
    return Cost(flops=count("4·{i}", i=x.shape))
