"""Normalisation and softmax."""

from __future__ import annotations

from math import prod
from typing import Any

from torch import Tensor

from archbench.trace.costs.registry import Cost, cost
from archbench.trace.costs.symbolic import count


@cost("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_functional")
def _batch_norm(x: Tensor, weight: Tensor | None, bias: Tensor | None, *args: Any, out: Any) -> Cost:
    """FLOPs: 2 per element and 3 per channel (5 with weight and bias); training: 4 per element and 6 per channel more.

    Scale gamma/sqrt(variance + eps) and shift beta - mean*scale are prepared once a channel; training also
    computes mean and variance (1 and 3 per element) and moves the running ones (3 per channel each).
    """
    *statistics, training, _momentum, _eps = args  # no statistics in the overload `no_stats`
    return _batch_norm_cost(x, weight, bias, training, moves=bool(statistics) and statistics[0] is not None)


@cost("_native_batch_norm_legit_no_training", "_batch_norm_no_update")
def _fixed_batch_norm(x: Tensor, weight: Tensor | None, bias: Tensor | None, *_args: Any, out: Any) -> Cost:
    """FLOPs: 2 per element and 3 per channel (5 with weight and bias)."""
    return _batch_norm_cost(x, weight, bias, training=False, moves=False)


@cost("_batch_norm_with_update", "_batch_norm_with_update_functional")
def _moving_batch_norm(x: Tensor, weight: Tensor | None, bias: Tensor | None, *_args: Any, out: Any) -> Cost:
    """FLOPs: 6 per element and 9 per channel (11 with weight and bias), as `native_batch_norm` in training."""
    return _batch_norm_cost(x, weight, bias, training=True, moves=True)


def _batch_norm_cost(x: Tensor, weight: Tensor | None, bias: Tensor | None, training: bool, moves: bool) -> Cost:
    per_channel = 3 + (weight is not None) + (bias is not None) + (6 if training and moves else 0)
    return Cost(flops=count("{e}·{o} + {a}·{c}", e=6 if training else 2, o=x.shape, a=per_channel, c=x.shape[1]))


@cost("native_layer_norm")
def _layer_norm(x: Tensor, shape: Any, weight: Tensor | None, bias: Tensor | None, *_: Any, out: Any) -> Cost:
    """FLOPs: 6 per element (mean 1, variance 3, normalisation 2), 1 each for weight and bias, 2 per group."""
    per_element = 6 + (weight is not None) + (bias is not None)
    return Cost(flops=count("{a}·{o} + 2·{g}", a=per_element, o=x.shape, g=x.numel() // max(prod(shape), 1)))


@cost("native_group_norm")
def _group_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, n: int, c: int, hw: int, groups: int, *_: Any, out: Any
) -> Cost:
    """FLOPs: 6 per element (mean 1, variance 3, normalisation 2), 1 each for weight and bias, 2 per group."""
    per_element = 6 + (weight is not None) + (bias is not None)
    return Cost(flops=count("{a}·{o} + 2·{g}", a=per_element, o=x.shape, g=n * groups))


@cost("_weight_norm_interface")
def _weight_norm(direction: Tensor, magnitude: Tensor, *_: Any, out: Any) -> Cost:
    """FLOPs: 3 per weight (square, sum, scale) and 2 per norm (root, quotient)."""
    return Cost(flops=count("3·{w} + 2·{g}", w=direction.shape, g=magnitude.shape))


@cost("_softmax", "_safe_softmax")
def _softmax(x: Tensor, dim: int, *_: Any, out: Tensor) -> Cost:
    """FLOPs: 5n - 2 per row of n: maximum n-1, subtraction n, exponential n, sum n-1, division n."""
    return Cost(flops=count("5·{o} − {a}·{r}", o=x.shape, a=2, r=rows(x, dim)))


@cost("_log_softmax")
def _log_softmax(x: Tensor, dim: int, *_: Any, out: Tensor) -> Cost:
    """FLOPs: 5n - 1 per row of n: maximum n-1, subtraction n, exponential n, sum n-1, logarithm 1, subtraction n."""
    return Cost(flops=count("5·{o} − {a}·{r}", o=x.shape, a=1, r=rows(x, dim)))


def rows(x: Tensor, dim: int) -> int:
    """Return how many vectors along `dim` there are."""
    return x.numel() // max(x.shape[dim], 1) if x.dim() else 1
