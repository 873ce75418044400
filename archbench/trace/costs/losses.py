"""Losses that run as one operator."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from archbench.trace.costs.registry import Cost, cost


@cost("nll_loss_forward", "nll_loss2d_forward")
def _nll_loss(x: Tensor, target: Tensor, *_args: Any, out: Any) -> Cost:
    """FLOPs: 2 per target: weight and sum."""
    return Cost(flops=2 * target.numel())


@cost("mse_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits")
def _pointwise_loss(x: Tensor, target: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 3 per element: difference, function, sum."""
    return Cost(flops=3 * x.numel())
