"""What one call of an operator costs: a registry of small, pure formulas over shapes.

Conventions. A MAC is one multiply-accumulate of a convolution or matrix product; bias, activation and
pooling are none. A FLOP is one floating-point operation, by these rules; integer and boolean arithmetic is
none, and neither is moving, choosing or generating values. Padding is multiplied like any other input.
Where a rule is not a count of MACs, its source is the operator's definition in the torch documentation.

A formula takes the operator's own arguments and `out`, its result; it may use nothing of a tensor but shape
and dtype. The first line of its docstring is the rule that `archbench costs` prints.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Cost(NamedTuple):
    """MACs and FLOPs of one call; `read_bytes` is None where every input is read whole."""

    macs: int = 0
    flops: int = 0
    read_bytes: int | None = None


Formula = Callable[..., Cost]


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the published table: an operator, its formula, and the formula in words."""

    operator: str
    formula: Formula
    text: str


_RULES: dict[str, Rule] = {}

# Views are recognised by their schema; these create, rename or look at tensors, and move no data either.
FREE = frozenset(
    f"aten.{name}"
    for name in (
        "_local_scalar_dense", "_unsafe_view", "_reshape_alias", "detach", "empty", "empty_like",
        "empty_permuted", "empty_strided", "is_same_size", "lift_fresh", "new_empty", "new_empty_strided",
        "resize_", "set_", "sym_numel", "sym_size", "sym_stride",
    )
)  # fmt: skip

# In-place operators that overwrite their first argument without reading it.
OVERWRITING = frozenset(
    f"aten.{name}_"
    for name in (
        "bernoulli", "cauchy", "copy", "exponential", "fill", "geometric", "log_normal", "normal", "random",
        "uniform", "zero",
    )
)  # fmt: skip


def cost(*operators: str) -> Callable[[Formula], Formula]:
    """Register the decorated formula for ATen operators, named without `aten.` and without a trailing `_`."""

    def register(formula: Formula) -> Formula:
        assert formula.__doc__, "a formula says its rule in the first line of its docstring"
        for operator in operators:
            name = f"aten.{operator}"
            assert name not in _RULES, f"{name} has a rule already"
            _RULES[name] = Rule(name, formula, formula.__doc__.splitlines()[0].rstrip("."))
        return formula

    return register


def find_rule(operator: str) -> Rule | None:
    """Return the rule of `aten.name`, of its in-place form `aten.name_` too; None if there is none."""
    return _RULES.get(operator) or _RULES.get(operator.removesuffix("_"))


def all_rules() -> tuple[Rule, ...]:
    """Return every rule, in the order of this file."""
    return tuple(_RULES.values())


def _floating(*values: Any) -> bool:
    return any(
        isinstance(value, Tensor) and (value.dtype.is_floating_point or value.dtype.is_complex) for value in values
    )


def _product(macs: int, added: int = 0) -> Cost:
    """A matrix product of `macs` MACs, and `added` elements added to its result."""
    return Cost(macs, 2 * macs + added)


# --- convolutions and matrix products ------------------------------------------------------------------


@cost("convolution")
def _convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    *_: Any,
    out: Tensor,
) -> Cost:
    """MACs: output elements x input channels per group x kernel elements; FLOPs: 2 per MAC, 1 per bias add.

    Transposed, each *input* element meets every kernel element and output channel of its group instead.
    """
    per_element = prod(weight.shape[1:])
    macs = (x if transposed else out).numel() * per_element
    return _product(macs, 0 if bias is None else out.numel())


@cost("mm", "bmm", "mv")
def _matmul(a: Tensor, b: Tensor, *, out: Tensor) -> Cost:
    """MACs: rows x inner size x columns (x batch); FLOPs: 2 per MAC."""
    return _product(out.numel() * a.shape[-1])


@cost("addmm", "addmv", "baddbmm")
def _add_matmul(added: Tensor, a: Tensor, b: Tensor, *, out: Tensor, **_: Any) -> Cost:
    """MACs as the product alone; FLOPs: 2 per MAC, 1 per element of the result for the addition."""
    return _product(out.numel() * a.shape[-1], out.numel())


@cost("addbmm")
def _add_batched_matmul(added: Tensor, a: Tensor, b: Tensor, *, out: Tensor, **_: Any) -> Cost:
    """MACs: batch x rows x inner size x columns; FLOPs: 2 per MAC, 1 per element of the result for the addition."""
    return _product(out.numel() * a.shape[0] * a.shape[-1], out.numel())


@cost("dot", "vdot")
def _dot(a: Tensor, b: Tensor, *, out: Tensor) -> Cost:
    """MACs: length; FLOPs: 2 per MAC."""
    return _product(a.numel())


@cost("addr")
def _add_outer(added: Tensor, a: Tensor, b: Tensor, *, out: Tensor, **_: Any) -> Cost:
    """MACs: elements of the result (an inner size of 1); FLOPs: 2 per MAC."""
    return _product(out.numel())


# --- elementwise ---------------------------------------------------------------------------------------


@cost(
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "celu", "clamp", "clamp_max",
    "clamp_min", "cos", "cosh", "div", "elu", "eq", "erf", "erfc", "erfinv", "exp", "exp2", "expm1", "floor",
    "floor_divide", "fmax", "fmin", "fmod", "frac", "ge", "gelu", "glu", "gt", "hardsigmoid", "hardswish",
    "hardtanh", "heaviside", "hypot", "isinf", "isnan", "le", "leaky_relu", "lgamma", "log", "log10", "log1p",
    "log2", "log_sigmoid_forward", "logaddexp", "logit", "lt", "maximum", "minimum", "mish", "mul",
    "nan_to_num", "ne", "neg", "_prelu_kernel", "pow", "reciprocal", "relu", "remainder", "round", "rrelu",
    "rrelu_with_noise", "rsqrt", "selu", "sgn", "sigmoid", "sign", "silu", "sin", "sinc", "sinh", "softplus",
    "softshrink", "sqrt", "tan", "tanh", "threshold", "trunc", "xlogy",
)  # fmt: skip
def _elementwise(*args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 1 per element of the result."""
    result = out if isinstance(out, Tensor) else out[0]
    return Cost(flops=result.numel() if _floating(result, *args) else 0)


@cost("add", "sub", "rsub")
def _scaled_add(a: Any, b: Any, *factor: Any, out: Tensor, alpha: Any = 1) -> Cost:
    """FLOPs: 1 per element of the result, 2 where one side is scaled by alpha first."""
    scaled = (factor[0] if factor else alpha) != 1
    return Cost(flops=(1 + scaled) * out.numel() if _floating(out) else 0)


@cost("addcmul", "addcdiv", "lerp")
def _fused(*_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 3 per element of the result (two multiplications or divisions and an addition)."""
    return Cost(flops=3 * out.numel() if _floating(out) else 0)


# --- pooling and resizing ------------------------------------------------------------------------------


@cost("max_pool2d_with_indices")
def _max_pool2d(x: Tensor, kernel: Any, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: kernel elements - 1 comparisons per output."""
    return Cost(flops=(_window_size(kernel, 2) - 1) * out[0].numel())


@cost("max_pool3d_with_indices")
def _max_pool3d(x: Tensor, kernel: Any, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: kernel elements - 1 comparisons per output."""
    return Cost(flops=(_window_size(kernel, 3) - 1) * out[0].numel())


@cost("avg_pool2d")
def _avg_pool2d(x: Tensor, kernel: Any, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: kernel elements per output (one less for the additions, one for the division)."""
    return Cost(flops=_window_size(kernel, 2) * out.numel())


@cost("avg_pool3d")
def _avg_pool3d(x: Tensor, kernel: Any, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: kernel elements per output (one less for the additions, one for the division)."""
    return Cost(flops=_window_size(kernel, 3) * out.numel())


@cost("_adaptive_avg_pool2d", "_adaptive_avg_pool3d")
def _adaptive_avg_pool(x: Tensor, size: Any, *, out: Tensor) -> Cost:
    """FLOPs: elements of each output's own window, summed."""
    return Cost(flops=_adaptive_elements(x, out))


@cost("adaptive_max_pool2d", "adaptive_max_pool3d")
def _adaptive_max_pool(x: Tensor, size: Any, *, out: Any) -> Cost:
    """FLOPs: elements of each output's own window - 1, summed."""
    return Cost(flops=_adaptive_elements(x, out[0]) - out[0].numel())


@cost("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d")
def _upsample_linear(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 2^(d+1) - 1 per output: 2^d products of neighbours and weights, and their additions."""
    return Cost(flops=(2 ** (x.dim() - 1) - 1) * out.numel())


@cost("upsample_bicubic2d")
def _upsample_bicubic(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 31 per output: 16 products and 15 additions."""
    return Cost(flops=31 * out.numel())


def _window_size(kernel: int | list[int], dimensions: int) -> int:
    if isinstance(kernel, int):
        return int(kernel**dimensions)
    return prod(kernel) if len(kernel) > 1 else int(kernel[0] ** dimensions)


def _adaptive_elements(x: Tensor, out: Tensor) -> int:
    """Sum the window sizes: along one dimension, output i spans floor(i*in/out) to ceil((i+1)*in/out)."""
    spatial = min(x.dim() - 1, 3) if x.dim() == 5 else 2
    per_dimension = (
        sum(-(-(i + 1) * size // n) - i * size // n for i in range(n))
        for size, n in zip(x.shape[-spatial:], out.shape[-spatial:], strict=True)
    )
    return prod(x.shape[:-spatial]) * prod(per_dimension)


# --- normalisation and softmax -------------------------------------------------------------------------


@cost("native_batch_norm", "_native_batch_norm_legit")
def _batch_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    variance: Tensor | None,
    training: bool,
    *_: Any,
    out: Any,
) -> Cost:
    """FLOPs: 2 per element and 3 per channel (5 with weight and bias); training: 4 per element and 6 per channel more.

    Scale gamma/sqrt(variance + eps) and shift beta - mean*scale are prepared once a channel; training also
    computes mean and variance (1 and 3 per element) and moves the running ones (3 per channel each).
    """
    channels = x.shape[1]
    per_channel = 3 + (weight is not None) + (bias is not None)
    flops = 2 * x.numel() + per_channel * channels
    if training:
        flops += 4 * x.numel() + (0 if mean is None else 6 * channels)
    return Cost(flops=flops)


@cost("native_layer_norm")
def _layer_norm(x: Tensor, shape: Any, weight: Tensor | None, bias: Tensor | None, *_: Any, out: Any) -> Cost:
    """FLOPs: 6 per element (mean 1, variance 3, normalisation 2), 1 each for weight and bias, 2 per group."""
    per_element = 6 + (weight is not None) + (bias is not None)
    return Cost(flops=per_element * x.numel() + 2 * (x.numel() // max(prod(shape), 1)))


@cost("native_group_norm")
def _group_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, n: int, c: int, hw: int, groups: int, *_: Any, out: Any
) -> Cost:
    """FLOPs: 6 per element (mean 1, variance 3, normalisation 2), 1 each for weight and bias, 2 per group."""
    per_element = 6 + (weight is not None) + (bias is not None)
    return Cost(flops=per_element * x.numel() + 2 * n * groups)


@cost("_softmax")
def _softmax(x: Tensor, dim: int, *_: Any, out: Tensor) -> Cost:
    """FLOPs: 5n - 2 per row of n: maximum n-1, subtraction n, exponential n, sum n-1, division n."""
    return Cost(flops=5 * x.numel() - 2 * _rows(x, dim))


@cost("_log_softmax")
def _log_softmax(x: Tensor, dim: int, *_: Any, out: Tensor) -> Cost:
    """FLOPs: 5n - 1 per row of n: maximum n-1, subtraction n, exponential n, sum n-1, logarithm 1, subtraction n."""
    return Cost(flops=5 * x.numel() - _rows(x, dim))


def _rows(x: Tensor, dim: int) -> int:
    return x.numel() // max(x.shape[dim], 1) if x.dim() else 1


# --- reductions ----------------------------------------------------------------------------------------


@cost("sum", "prod", "amax", "amin", "max", "min", "argmax", "argmin")
def _reduction(x: Tensor, *args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: n - 1 additions, products or comparisons per result of n elements."""
    result = out if isinstance(out, Tensor) else out[0]
    return Cost(flops=max(x.numel() - result.numel(), 0) if _floating(x) else 0)


@cost("mean", "cumsum", "cumprod")
def _whole(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 1 per element of the input."""
    return Cost(flops=x.numel() if _floating(out) else 0)


@cost("var", "var_mean")
def _variance(x: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 4 per element of the input: mean 1, difference 1, square 1, average 1."""
    return Cost(flops=4 * x.numel())


@cost("std", "std_mean")
def _deviation(x: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 4 per element of the input as the variance, and 1 root per result."""
    result = out if isinstance(out, Tensor) else out[0]
    return Cost(flops=4 * x.numel() + result.numel())


@cost("linalg_vector_norm")
def _norm(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 2 per element of the input: power and sum, the last addition being the root."""
    return Cost(flops=2 * x.numel())


# --- values that are only made, moved or chosen --------------------------------------------------------


@cost(
    "arange", "bernoulli", "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "cat", "clone", "_to_copy",
    "constant_pad_nd", "copy", "exponential", "eye", "fill", "flip", "full", "full_like", "im2col", "index_put",
    "linspace", "logical_and", "logical_not", "logical_or", "logical_xor", "masked_fill", "new_full", "new_ones",
    "new_zeros", "normal", "ones", "ones_like", "rand", "randint", "randn", "rand_like", "randn_like", "random",
    "reflection_pad1d", "reflection_pad2d", "replication_pad1d", "replication_pad2d", "repeat", "roll",
    "scalar_tensor", "scatter", "stack", "tril", "triu", "uniform", "upsample_nearest1d", "upsample_nearest2d",
    "upsample_nearest3d", "where", "zero", "zeros", "zeros_like",
)  # fmt: skip
def _movement(*_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 0, values are made, moved or chosen; the bytes count."""
    return Cost()


@cost("embedding", "index_select", "index", "gather")
def _lookup(table: Tensor, *args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 0; of the table only what is looked up is read."""
    indices = (t for a in args for t in (a if isinstance(a, list) else [a]) if isinstance(t, Tensor))
    index_bytes = sum(t.numel() * t.element_size() for t in indices)
    return Cost(read_bytes=out.numel() * out.element_size() + index_bytes)


def is_view(schema: torch._C.FunctionSchema) -> bool:
    """Say whether an operator returns a view: results that alias an input and write to none."""
    return any(r.alias_info is not None and not r.alias_info.is_write for r in schema.returns)
