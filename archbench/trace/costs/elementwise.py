"""Elementwise operators."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from archbench.trace.costs.common import first, is_floating
from archbench.trace.costs.registry import Cost, cost


@cost(
    "abs", "acos", "acosh", "angle", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "celu", "clamp", "clamp_max",
    "clamp_min", "copysign", "cos", "cosh", "deg2rad", "digamma", "elu", "eq", "erf", "erfc", "erfinv", "exp", "exp2",
    "expm1", "floor", "floor_divide", "fmax", "fmin", "fmod", "frac", "frexp", "ge", "gelu", "glu", "gt", "hardshrink",
    "hardsigmoid", "hardswish", "hardtanh", "heaviside", "hypot", "i0", "igamma", "igammac", "isinf", "isnan",
    "isneginf", "isposinf", "ldexp", "le", "leaky_relu", "lgamma", "log", "log10", "log1p", "log2",
    "log_sigmoid_forward", "logaddexp", "logaddexp2", "logit", "lt", "maximum", "minimum", "mish", "mvlgamma",
    "nan_to_num", "ne", "neg", "nextafter", "polygamma", "pow", "_prelu_kernel", "rad2deg", "reciprocal", "relu",
    "remainder", "round", "rrelu", "rrelu_with_noise", "rsqrt", "selu", "sgn", "sigmoid", "sign", "signbit", "silu",
    "sin", "sinc", "sinh", "softplus", "softshrink", "special_entr", "special_erfcx", "special_i0e", "special_i1",
    "special_i1e", "special_log_ndtr", "special_ndtri", "special_xlog1py", "sqrt", "tan", "tanh", "threshold", "trunc",
    "xlogy", is_elementwise=True,
)  # fmt: skip
def _elementwise(*args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 1 per element of the result (complex: 2)."""
    result = first(out)
    if not is_floating(result, *args):
        return Cost()
    return Cost(flops=(1 + result.is_complex()) * result.numel())


@cost("mul", is_elementwise=True)
def _mul(*_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 1 per element of the result (complex: 6, four products and two additions)."""
    return Cost(flops=(6 if out.is_complex() else 1) * out.numel() if is_floating(out) else 0)


@cost("div", is_elementwise=True)
def _div(*_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 1 per element of the result (complex: 11, a product, a squared absolute value, two divisions)."""
    return Cost(flops=(11 if out.is_complex() else 1) * out.numel() if is_floating(out) else 0)


@cost("add", "sub", "rsub", is_elementwise=True)
def _scaled_add(a: Any, b: Any, *factor: Any, out: Tensor, alpha: Any = 1) -> Cost:
    """FLOPs: 1 per element of the result, 2 where one side is scaled by alpha first (complex: twice that)."""
    scaled = (factor[0] if factor else alpha) != 1
    return Cost(flops=(1 + scaled) * (1 + out.is_complex()) * out.numel() if is_floating(out) else 0)


@cost("addcmul", "addcdiv", "lerp", is_elementwise=True)
def _fused(*_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 3 per element of the result (two multiplications or divisions and an addition)."""
    return Cost(flops=3 * out.numel() if is_floating(out) else 0)


@cost("native_dropout", is_elementwise=True)
def _dropout(*_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 2 per element: the mask and the scale."""
    return Cost(flops=2 * first(out).numel())


@cost("_add_relu", is_elementwise=True)
def _add_relu(*_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 2 per element: the sum and its comparison."""
    return Cost(flops=2 * out.numel())


@cost("polar", is_elementwise=True)
def _polar(*_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 4 per element: cosine, sine and their products with the length."""
    return Cost(flops=4 * out.numel())


@cost("_conj_physical", "conj_physical", is_elementwise=True)
def _conjugate(x: Tensor, *, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 1 per complex element: the imaginary part is negated."""
    return Cost(flops=x.numel() if x.is_complex() else 0)
