"""Losses that run as one operator."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from archbench.trace.costs.registry import Cost, cost


@cost("nll_loss_forward", "nll_loss2d_forward")
def _nll_loss(x: Tensor, target: Tensor, *_args: Any, out: Any) -> Cost:
    """FLOPs: 2 per target: weight and sum."""
    return Cost(flops=2 * target.numel())


@cost("soft_margin_loss")
def _soft_margin_loss(x: Tensor, target: Tensor, *_args: Any, out: Tensor) -> Cost:
    """FLOPs: 4 per element: product, exponential, logarithm, sum."""
    return Cost(flops=4 * x.numel())


@cost("multi_margin_loss")
def _multi_margin_loss(x: Tensor, target: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 4 per element: difference, margin, maximum, sum."""
    return Cost(flops=4 * x.numel())


@cost("multilabel_margin_loss_forward")
def _multilabel_margin_loss(x: Tensor, target: Tensor, *_args: Any, out: Any) -> Cost:
    """FLOPs: 4 per pair of classes: difference, margin, maximum, sum; every class counts as a target."""
    return Cost(flops=4 * x.numel() * x.shape[-1])


@cost("_ctc_loss")
def _ctc_loss(log_probabilities: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 12 per time and state: maximum 2, differences 3, exponentials 3, sums 2, logarithm, probability.

    A target of n labels has 2n + 1 states, each entered from itself and the two before it.
    """
    return Cost(flops=12 * out[1].numel())


@cost("_ctc_loss_backward")
def _ctc_loss_backward(grad: Tensor, log_probabilities: Tensor, *args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 12 per time and state for the way back, 7 to gather them; 3 per class: exponential, difference, scale."""
    log_alpha = next(a for a in args[3:] if isinstance(a, Tensor) and a.dim() == 3)
    return Cost(flops=19 * log_alpha.numel() + 3 * log_probabilities.numel())


@cost("mse_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits")
def _pointwise_loss(x: Tensor, target: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 3 per element: difference, function, sum."""
    return Cost(flops=3 * x.numel())
