"""Compute the output shapes of the operators of the backward pass, as `archbench.trace.shapes` does for forward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from archbench.trace.shapes import FULL_PRECISION, empty, is_plain, shape_rule


def _parameter_gradients(x: Tensor, sizes: Sequence[int], wanted: Sequence[bool]) -> list[Tensor | None]:
    return [empty(sizes, x) if is_wanted else None for is_wanted in wanted]


@shape_rule("native_layer_norm_backward.default")
def _layer_norm(
    grad: Tensor, x: Tensor, shape: Any, _mean: Tensor, _deviation: Tensor, _weight: Any, _bias: Any, wanted: Any
) -> tuple[Tensor | None, ...] | None:
    if x.dtype not in FULL_PRECISION or grad.dtype is not x.dtype or grad.shape != x.shape:
        return None
    # Contiguous whatever the input is, as CUDA's kernel leaves it.
    return empty(x.shape, x) if wanted[0] else None, *_parameter_gradients(x, shape, wanted[1:])


@shape_rule("native_batch_norm_backward.default")
def _batch_norm(
    grad: Tensor, x: Tensor, _weight: Any, _mean: Any, _variance: Any, _saved_mean: Any, _saved_deviation: Any,
    _training: bool, _eps: float, wanted: Any,
) -> tuple[Tensor | None, ...] | None:  # fmt: skip
    if not is_plain(grad, x) or x.dtype not in FULL_PRECISION or x.dim() < 2 or not wanted[0]:
        return None
    return empty(x.shape, x), *_parameter_gradients(x, x.shape[1:2], wanted[1:])


@shape_rule("convolution_backward.default")
def _convolution(
    grad: Tensor, x: Tensor, weight: Tensor, bias_sizes: Any, _stride: Any, _padding: Any, _dilation: Any,
    _transposed: bool, _output_padding: Any, _groups: int, wanted: Any,
) -> tuple[Tensor | None, ...] | None:  # fmt: skip
    if not is_plain(grad, x, weight):
        return None
    shapes = (x.shape, weight.shape, bias_sizes)
    return tuple(empty(shape, x) if is_wanted else None for shape, is_wanted in zip(shapes, wanted, strict=True))


@shape_rule("_softmax_backward_data.default", "_log_softmax_backward_data.default")
def _softmax(grad: Tensor, output: Tensor, _dim: int, dtype: torch.dtype) -> Tensor | None:
    fits = grad.shape == output.shape and is_plain(grad, output) and grad.dtype is dtype
    return empty(grad.shape, grad) if fits else None


@shape_rule("select_backward.default", "slice_backward.default")
def _scatter(grad: Tensor, sizes: Any, *_: Any) -> Tensor | None:
    return empty(sizes, grad)
