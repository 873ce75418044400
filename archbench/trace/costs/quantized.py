"""Quantised operators: products with integer or packed weights, and elementwise forms.

They count as their floating-point forms. A packed weight is an object of C++; its `unpack` returns weight and bias.
"""

from __future__ import annotations

from math import prod
from typing import Any

from torch import Tensor

from archbench.trace.costs.common import product
from archbench.trace.costs.normalisation import rows
from archbench.trace.costs.registry import Cost, cost
from archbench.trace.costs.symbolic import count


@cost("_weight_int4pack_mm", "_weight_int4pack_mm_for_cpu", "_weight_int4pack_mm_with_scales_and_zeros")
def _int4_matmul(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """MACs: rows x inner size x columns; FLOPs: 2 per MAC, 2 per weight for its scale and its zero point."""
    return product(out, count("{o}·{n}", o=out.shape, n=x.shape[-1]), 2 * x.shape[-1] * out.shape[-1])


@cost("_weight_int8pack_mm")
def _int8_matmul(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """MACs: rows x inner size x columns; FLOPs: 2 per MAC, 1 per element of the result for its scale."""
    return product(out, count("{o}·{n}", o=out.shape, n=x.shape[-1]), out.numel())


@cost("_dyn_quant_matmul_4bit")
def _dynamic_int4_matmul(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """MACs: rows x inner size x columns; FLOPs: 2 per MAC, 2 per element of the input, 1 per scaled result."""
    return product(out, count("{o}·{n}", o=out.shape, n=x.shape[-1]), 2 * x.numel() + out.numel())


@cost("linear", "linear_relu", "linear_leaky_relu", "linear_tanh", namespace="quantized")
@cost("linear_dynamic", "linear_relu_dynamic", namespace="quantized")
@cost("linear_dynamic_fp16", "linear_relu_dynamic_fp16", namespace="quantized")
def _linear(x: Tensor, packed: Any, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """MACs: rows x inner size x columns; FLOPs: 2 per MAC, 1 per bias add.

    A fused activation is the range of the result and counts no more.
    """
    return _packed_product(x, packed, out, count("{o}·{n}", o=out.shape, n=x.shape[-1]))


@cost("conv1d", "conv2d", "conv3d", "conv1d_relu", "conv2d_relu", "conv3d_relu", namespace="quantized")
@cost("conv1d_dynamic", "conv2d_dynamic", "conv3d_dynamic", "conv2d_add", "conv2d_add_relu", namespace="quantized")
def _convolution(x: Tensor, *args: Any, out: Tensor, **_: Any) -> Cost:
    """MACs: output elements x input channels per group x kernel elements; FLOPs: 2 per MAC, 1 per bias add.

    A fused addition or activation counts no more.
    """
    packed = next(arg for arg in args if not isinstance(arg, Tensor))
    weight, _bias = packed.unpack()
    return _packed_product(x, packed, out, count("{o}·{n}", o=out.shape, n=prod(weight.shape[1:])))


@cost("conv_transpose1d", "conv_transpose2d", "conv_transpose3d", namespace="quantized")
@cost("conv_transpose1d_dynamic", "conv_transpose2d_dynamic", "conv_transpose3d_dynamic", namespace="quantized")
def _transposed_convolution(x: Tensor, packed: Any, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """MACs: input elements x output channels per group x kernel elements; FLOPs: 2 per MAC, 1 per bias add."""
    weight, _bias = packed.unpack()
    return _packed_product(x, packed, out, count("{o}·{n}", o=x.shape, n=prod(weight.shape[1:])))


@cost("matmul", namespace="quantized")
def _matmul(a: Tensor, b: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """MACs: rows x inner size x columns (x batch); FLOPs: 2 per MAC."""
    return product(out, count("{o}·{n}", o=out.shape, n=a.shape[-1]))


@cost("quantize_per_tensor", "quantize_per_channel", "quantize_per_tensor_dynamic")
def _quantize(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 2 per element: scale and zero point."""
    return Cost(flops=2 * x.numel())


@cost("dequantize")
def _dequantize(x: Any, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 2 per element: zero point and scale."""
    return Cost(flops=2 * sum(tensor.numel() for tensor in ([x] if isinstance(x, Tensor) else x)))


@cost("quantize_per_tensor", "quantize_per_channel", "quantize_per_token", namespace="quantized_decomposed")
@cost("dequantize_per_tensor", "dequantize_per_channel", "dequantize_per_token", namespace="quantized_decomposed")
def _decomposed(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 2 per element: scale and zero point."""
    return Cost(flops=2 * x.numel())


@cost("_fused_moving_avg_obs_fq_helper", "_fused_moving_avg_obs_fq_helper_functional")
def _observed_fake_quantize(x: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 8 per element: minimum and maximum, and 6 as for quantising and back."""
    return Cost(flops=8 * x.numel())


@cost(
    "fake_quantize_per_channel_affine_cachemask", "fake_quantize_per_tensor_affine_cachemask",
    "_fake_quantize_learnable_per_channel_affine", "_fake_quantize_learnable_per_tensor_affine",
    "_fake_quantize_per_tensor_affine_cachemask_tensor_qparams",
)  # fmt: skip
def _fake_quantize(x: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 6 per element: scale, zero point, rounding, range, and zero point and scale back."""
    return Cost(flops=6 * x.numel())


_ADD_MUL = ("add", "add_scalar", "mul", "mul_scalar")


@cost(
    *_ADD_MUL, *(f"{name}_relu" for name in _ADD_MUL), *(f"{name}_out" for name in _ADD_MUL),
    *(f"{name}_relu_out" for name in _ADD_MUL),
    "celu", "clamp", "elu", "hardswish", "leaky_relu", "prelu", "relu6", "sigmoid", "threshold",
    namespace="quantized", is_elementwise=True,
)  # fmt: skip
def _elementwise(*_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 1 per element of the result; a fused activation is the range of the result and counts no more."""
    return Cost(flops=out.numel())


@cost(
    "batch_norm", "batch_norm_relu", "batch_norm1d", "batch_norm1d_relu", "batch_norm2d", "batch_norm2d_relu",
    "batch_norm3d", "batch_norm3d_relu", namespace="quantized",
)  # fmt: skip
def _batch_norm(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 2 per element: scale and shift."""
    return Cost(flops=2 * x.numel())


@cost("layer_norm", "group_norm", "instance_norm", namespace="quantized")
def _norm(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 8 per element: mean 1, variance 3, normalisation 2, weight and bias."""
    return Cost(flops=8 * x.numel())


@cost("softmax", namespace="quantized")
def _softmax(x: Tensor, dim: int, *_: Any, out: Tensor, **__: Any) -> Cost:
    """FLOPs: 5n - 2 per row of n, as the floating-point operator."""
    return Cost(flops=5 * x.numel() - 2 * rows(x, dim))


@cost("max_pool1d", "max_pool2d", namespace="quantized")
@cost("quantized_max_pool1d", "quantized_max_pool2d", "quantized_max_pool3d")
def _max_pool(x: Tensor, kernel: Any, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: kernel elements - 1 comparisons per output."""
    return Cost(flops=(prod(kernel) - 1) * out.numel())


@cost("embedding_byte", "embedding_4bit", namespace="quantized")
def _embedding(*_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 2 per element of the result: scale and offset."""
    return Cost(flops=2 * out.numel())


@cost("embedding_bag_byte", "embedding_bag_4bit", "embedding_bag_byte_rowwise_offsets", namespace="quantized")
@cost("embedding_bag_4bit_rowwise_offsets", namespace="quantized")
def _embedding_bag(weight: Any, indices: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 3 per looked-up element: scale, offset and sum."""
    return Cost(flops=3 * indices.numel() * out.shape[-1])


@cost("cat", "cat_relu", "cat_out", "cat_relu_out", "dropout", namespace="quantized")
@cost("int_repr", "q_per_channel_scales", "q_per_channel_zero_points")
@cost("_make_per_channel_quantized_tensor", "_make_per_tensor_quantized_tensor")
def _movement(*_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 0, values are moved; the bytes count."""
    return Cost()


def _packed_product(x: Tensor, packed: Any, out: Tensor, macs: int) -> Cost:
    weight, bias = packed.unpack()
    cost = product(out, macs, 0 if bias is None else out.numel())
    read = (x, weight) if bias is None else (x, weight, bias)
    return cost._replace(read_bytes=sum(tensor.numel() * tensor.element_size() for tensor in read))
