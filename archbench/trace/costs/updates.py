"""Optimizer updates: operators on lists of tensors, and fused updates."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from archbench.trace.costs.registry import Cost, cost


@cost("_foreach_div", "_foreach_mul", "_foreach_neg", "_foreach_sqrt")
def _elementwise(tensors: list[Tensor], *_args: Any, **_: Any) -> Cost:
    """FLOPs: 1 per element."""
    return Cost(flops=_elements(tensors))


@cost("_foreach_add", "_foreach_sub")
def _scaled_add(tensors: list[Tensor], *_args: Any, alpha: Any = 1, **_: Any) -> Cost:
    """FLOPs: 1 per element, 2 where one side is scaled by alpha first."""
    return Cost(flops=(1 + (alpha != 1)) * _elements(tensors))


@cost("_foreach_addcdiv", "_foreach_addcmul", "_foreach_lerp")
def _fused(tensors: list[Tensor], *_args: Any, **_: Any) -> Cost:
    """FLOPs: 3 per element (two multiplications or divisions and an addition)."""
    return Cost(flops=3 * _elements(tensors))


@cost("_fused_sgd")
def _sgd(
    tensors: list[Tensor], grads: Any, buffers: Any, *_args: Any, momentum: float, weight_decay: float, **_: Any
) -> Cost:
    """FLOPs: 2 per parameter (scale by the rate, subtract), 2 more each for momentum and for weight decay."""
    return Cost(flops=(2 + 2 * (momentum != 0) + 2 * (weight_decay != 0)) * _elements(tensors))


@cost("_fused_adam")
def _adam(tensors: list[Tensor], *_args: Any, weight_decay: float, **_: Any) -> Cost:
    """FLOPs: 13 per parameter: mean 3, square 4, root, correction, epsilon, step 3; 2 more with weight decay."""
    return Cost(flops=(13 + 2 * (weight_decay != 0)) * _elements(tensors))


@cost("_fused_adamw")
def _adamw(tensors: list[Tensor], *_args: Any, weight_decay: float, **_: Any) -> Cost:
    """FLOPs: 13 per parameter as Adam, 1 more with weight decay, which scales the parameter itself."""
    return Cost(flops=(13 + (weight_decay != 0)) * _elements(tensors))


def _elements(tensors: list[Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)
