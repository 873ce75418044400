"""Operators of the backward pass; its matrix products follow the rules of forward."""

from __future__ import annotations

from math import prod
from typing import Any

from torch import Tensor

from archbench.trace.costs.common import first, is_floating
from archbench.trace.costs.pooling import adaptive_elements
from archbench.trace.costs.registry import Cost, cost
from archbench.trace.kernel_window import per_dimension


@cost(
    "binary_cross_entropy_backward", "elu_backward", "gelu_backward", "glu_backward", "hardshrink_backward",
    "hardsigmoid_backward", "hardswish_backward", "hardtanh_backward", "huber_loss_backward", "leaky_relu_backward",
    "log_sigmoid_backward", "logit_backward", "mish_backward", "mse_loss_backward", "multi_margin_loss_backward",
    "multilabel_margin_loss_backward", "native_dropout_backward", "_prelu_kernel_backward",
    "rrelu_with_noise_backward", "sigmoid_backward", "silu_backward", "smooth_l1_loss_backward",
    "soft_margin_loss_backward", "softplus_backward", "softshrink_backward", "tanh_backward", "threshold_backward",
    is_elementwise=True,
)  # fmt: skip
def _elementwise(*_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 1 per element of the result."""
    return Cost(flops=first(out).numel())


@cost(
    "diagonal_backward", "nll_loss2d_backward", "nll_loss_backward", "select_backward", "slice_backward",
    "unfold_backward",
)  # fmt: skip
def _movement(*_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 0, gradients are put where they belong; the bytes count."""
    return Cost()


@cost("_softmax_backward_data")
def _softmax(grad: Tensor, output: Tensor, dim: int, *_: Any, out: Tensor) -> Cost:
    """FLOPs: 4 per element: products with the output, their sum, a difference, a product."""
    return Cost(flops=4 * grad.numel())


@cost("_log_softmax_backward_data")
def _log_softmax(grad: Tensor, output: Tensor, dim: int, *_: Any, out: Tensor) -> Cost:
    """FLOPs: 4 per element: a sum, an exponential, a product, a difference."""
    return Cost(flops=4 * grad.numel())


@cost("native_batch_norm_backward", "batch_norm_backward")
def _batch_norm(
    grad: Tensor, x: Tensor, weight: Tensor | None, mean: Any, variance: Any, saved_mean: Any, saved_deviation: Any,
    training: bool, eps: float, wanted: Any, *_: Any, out: Any,
) -> Cost:  # fmt: skip
    """FLOPs: 9 per element: normalised input 2, two sums 3, gradient 4; with fixed statistics 1, and 5 for the sums."""
    if training:
        return Cost(flops=9 * x.numel())
    return Cost(flops=(1 + 5 * bool(wanted[1] or wanted[2])) * x.numel())


@cost("native_layer_norm_backward")
def _layer_norm(
    grad: Tensor,
    x: Tensor,
    shape: Any,
    mean: Tensor,
    deviation: Tensor,
    weight: Any,
    bias: Any,
    wanted: Any,
    *,
    out: Any,
) -> Cost:
    """FLOPs: 9 per element (normalised input 2, two sums 3, gradient 4), weight 1, its gradient 2, the bias's 1."""
    per_element = 9 * bool(wanted[0]) + (weight is not None) + 2 * bool(wanted[1]) + bool(wanted[2])
    return Cost(flops=per_element * x.numel())


@cost("native_group_norm_backward")
def _group_norm(grad: Tensor, x: Tensor, mean: Any, deviation: Any, weight: Any, *args: Any, out: Any) -> Cost:
    """FLOPs: 9 per element (normalised input 2, two sums 3, gradient 4), weight 1, its gradient 2, the bias's 1."""
    wanted = args[-1]
    per_element = 9 * bool(wanted[0]) + (weight is not None) + 2 * bool(wanted[1]) + bool(wanted[2])
    return Cost(flops=per_element * x.numel())


@cost("max_pool2d_with_indices_backward", "max_pool3d_with_indices_backward")
def _max_pool(grad: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 1 addition per gradient that is put back."""
    return Cost(flops=grad.numel())


@cost("adaptive_max_pool2d_backward", "adaptive_max_pool3d_backward")
@cost("fractional_max_pool2d_backward", "fractional_max_pool3d_backward")
def _adaptive_max_pool(grad: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 1 addition per gradient that is put back."""
    return Cost(flops=grad.numel())


@cost("avg_pool2d_backward")
def _avg_pool2d(grad: Tensor, x: Tensor, kernel: Any, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: kernel elements + 1 per gradient: a division, and an addition to each element of its window."""
    return Cost(flops=(prod(per_dimension(kernel, 2)) + 1) * grad.numel())


@cost("avg_pool3d_backward")
def _avg_pool3d(grad: Tensor, x: Tensor, kernel: Any, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: kernel elements + 1 per gradient: a division, and an addition to each element of its window."""
    return Cost(flops=(prod(per_dimension(kernel, 3)) + 1) * grad.numel())


@cost("_adaptive_avg_pool2d_backward", "_adaptive_avg_pool3d_backward")
def _adaptive_avg_pool(grad: Tensor, x: Tensor, *, out: Tensor) -> Cost:
    """FLOPs: elements of each output's own window, summed, and 1 division per gradient."""
    return Cost(flops=adaptive_elements(x, grad) + grad.numel())


@cost("embedding_dense_backward")
def _embedding(grad: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 1 addition per element of the gradient."""
    return Cost(flops=grad.numel() if is_floating(grad) else 0)


@cost("_embedding_bag_backward", "_embedding_bag_dense_backward")
def _embedding_bag(grad: Tensor, indices: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 1 addition per looked-up element."""
    return Cost(flops=indices.numel() * grad.shape[-1])


@cost("_embedding_bag_per_sample_weights_backward")
def _embedding_bag_weights(grad: Tensor, table: Tensor, indices: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 2 per looked-up element: product and sum."""
    return Cost(flops=2 * indices.numel() * grad.shape[-1])


@cost("_weight_norm_interface_backward")
def _weight_norm(grad: Tensor, direction: Tensor, magnitude: Tensor, *_: Any, out: Any) -> Cost:
    """FLOPs: 5 per weight (product, sum, scale, difference, scale) and 2 per norm."""
    return Cost(flops=5 * direction.numel() + 2 * magnitude.numel())


@cost(
    "reflection_pad1d_backward", "reflection_pad2d_backward", "reflection_pad3d_backward",
    "replication_pad1d_backward", "replication_pad2d_backward", "replication_pad3d_backward",
)  # fmt: skip
def _padding(grad: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 1 addition per gradient of a padded element."""
    return Cost(flops=grad.numel() - out.numel())
