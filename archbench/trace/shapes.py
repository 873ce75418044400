"""Compute the output shapes of the operators of convolutional networks.

torch's own meta kernels of these operators load sympy and dynamo, about a second of start-up, and take longer than the
rest of a warm trace. A rule covers the plain contiguous case and returns None for all others, so that torch's kernel
runs and raises an error if the arguments are wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

# The return value of rules for operators without a result.
NOTHING: tuple[()] = ()

_RULES: dict[str, Callable[..., Any]] = {}

_UNARY = (
    "elu.default", "exp.default", "gelu.default", "hardsigmoid.default", "hardswish.default", "hardtanh.default",
    "leaky_relu.default", "neg.default", "pow.Tensor_Scalar", "relu.default", "rsqrt.default", "sigmoid.default",
    "silu.default", "sqrt.default", "tanh.default",
)  # fmt: skip
_UNARY_IN_PLACE = (
    "div_.Scalar", "elu_.default", "hardsigmoid_.default", "hardswish_.default", "hardtanh_.default",
    "leaky_relu_.default", "mul_.Scalar", "relu_.default", "sigmoid_.default", "silu_.default", "tanh_.default",
)  # fmt: skip
_UNARY_BACKWARD = (
    "gelu_backward.default", "hardsigmoid_backward.default", "hardswish_backward.default", "hardtanh_backward.default",
    "leaky_relu_backward.default", "sigmoid_backward.default", "silu_backward.default", "tanh_backward.default",
    "threshold_backward.default",
)  # fmt: skip
_BINARY = ("add.Tensor", "div.Scalar", "div.Tensor", "mul.Scalar", "mul.Tensor", "sub.Tensor")
# The dtypes whose normalisation statistics have the dtype of the input on every device.
FULL_PRECISION = (torch.float32, torch.float64)


def find_shape_rule(operator: str) -> Callable[..., Any] | None:
    """Return the rule of an overload such as `aten.add.Tensor`, a function of its arguments; None if there is none."""
    return _RULES.get(operator)


def shape_rule(*operators: str, namespace: str = "aten") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated rule for overloads, named without their namespace."""

    def register(rule: Callable[..., Any]) -> Callable[..., Any]:
        _RULES.update((f"{namespace}.{operator}", rule) for operator in operators)
        return rule

    return register


def empty(shape: Any, like: Tensor) -> Tensor:
    """Return a contiguous meta tensor of a shape, in the dtype of another."""
    return torch.empty(shape, dtype=like.dtype, device="meta")


def is_plain(*tensors: Tensor) -> bool:
    """Return whether tensors are contiguous and of one floating-point dtype, so that no promotion happens."""
    dtype = tensors[0].dtype
    return dtype.is_floating_point and all(t.is_contiguous() and t.dtype is dtype for t in tensors)


def _elementwise(x: Tensor) -> Tensor | None:
    """Return an elementwise result, dense with its dimensions in the order in which the first operand's lie in memory.

    Returns None where that order is not unique: for an operand that is expanded or overlaps itself.
    """
    if not x.dtype.is_floating_point:
        return None
    if x.is_contiguous():
        return empty(x.shape, x)
    strides, end, dense = [0] * x.dim(), 0, 1
    for stride, size, dim in sorted(zip(x.stride(), x.shape, range(x.dim()), strict=True)):
        if size == 1:
            continue
        if stride <= end:
            return None
        end += stride * (size - 1)
        strides[dim], dense = dense, dense * size
    return torch.empty_strided(x.shape, strides, dtype=x.dtype, device="meta")


def _pair(value: Any, dimensions: int) -> list[int]:
    return [value[0]] * dimensions if len(value) == 1 else list(value)


@shape_rule(*_UNARY)
def _unary(x: Tensor, *_args: Any, **_: Any) -> Tensor | None:
    return _elementwise(x)


@shape_rule(*_UNARY_IN_PLACE)
def _unary_in_place(x: Tensor, *_args: Any, **_: Any) -> Tensor | None:
    return x if x.dtype.is_floating_point else None


@shape_rule(*_UNARY_BACKWARD)
def _unary_backward(grad: Tensor, x: Tensor, *_args: Any, **_: Any) -> Tensor | None:
    return _elementwise(grad) if grad.shape == x.shape and grad.dtype is x.dtype else None


@shape_rule(*_BINARY)
def _binary(x: Any, y: Any, **_: Any) -> Tensor | None:
    if not isinstance(x, Tensor):
        return None
    if isinstance(y, (int, float)):
        return _elementwise(x)
    if not isinstance(y, Tensor) or y.dtype is not x.dtype:
        return None
    if x.shape == y.shape:
        return _elementwise(x)
    shape = _broadcast(x.shape, y.shape)
    if shape == list(x.shape):
        return _elementwise(x)
    return empty(shape, x) if shape is not None and is_plain(x, y) else None


def _broadcast(a: Sequence[int], b: Sequence[int]) -> list[int] | None:
    """Return the shape that two shapes broadcast to; None if they do not."""
    length = max(len(a), len(b))
    pairs = list(zip([1] * (length - len(a)) + list(a), [1] * (length - len(b)) + list(b), strict=True))
    if any(m != n and 1 not in (m, n) for m, n in pairs):
        return None
    return [n if m == 1 else m for m, n in pairs]


@shape_rule("convolution.default")
def _convolution(
    x: Tensor, w: Tensor, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool, _: Any, groups: int
) -> Tensor | None:
    dimensions = w.dim() - 2
    if transposed or x.dim() != w.dim() or not is_plain(x, w) or x.shape[1] != w.shape[1] * groups:
        return None
    spatial = _slide(x.shape[2:], w.shape[2:], stride, padding, dilation, dimensions)
    if spatial is None or w.shape[0] % groups or (bias is not None and bias.shape != w.shape[:1]):
        return None
    return empty((x.shape[0], w.shape[0], *spatial), x)


@shape_rule("max_pool2d_with_indices.default")
def _max_pool2d(
    x: Tensor, kernel: Any, stride: Any = (), padding: Any = (0,), dilation: Any = (1,), ceil_mode: bool = False
) -> tuple[Tensor, Tensor] | None:
    spatial = _pooled(x, kernel, stride, padding, dilation, ceil_mode, 2)
    if spatial is None:
        return None
    shape = (*x.shape[:2], *spatial)
    return empty(shape, x), torch.empty(shape, dtype=torch.int64, device="meta")


@shape_rule("avg_pool2d.default")
def _avg_pool2d(
    x: Tensor, kernel: Any, stride: Any = (), padding: Any = (0,), ceil_mode: bool = False, *_: Any
) -> Tensor | None:
    spatial = _pooled(x, kernel, stride, padding, (1,), ceil_mode, 2)
    return None if spatial is None else empty((*x.shape[:2], *spatial), x)


@shape_rule("avg_pool3d.default")
def _avg_pool3d(
    x: Tensor, kernel: Any, stride: Any = (), padding: Any = (0,), ceil_mode: bool = False, *_: Any
) -> Tensor | None:
    spatial = _pooled(x, kernel, stride, padding, (1,), ceil_mode, 3)
    # Unlike avg_pool2d this operator rejects kernels larger than the unpadded input.
    too_small = any(k > n for k, n in zip(_pair(kernel, 3), x.shape[-3:], strict=False))
    return None if spatial is None or too_small else empty((*x.shape[:2], *spatial), x)


def _pooled(
    x: Tensor, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, dimensions: int
) -> list[int] | None:
    if x.dim() != dimensions + 2 or not is_plain(x):
        return None
    kernel = _pair(kernel, dimensions)
    padding = _pair(padding, dimensions)
    if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        return None
    return _slide(x.shape[2:], kernel, stride or kernel, padding, dilation, dimensions, ceil_mode=ceil_mode)


def _slide(
    size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, dimensions: int, *, ceil_mode: bool = False
) -> list[int] | None:
    """Return (size + 2 padding - dilation (kernel - 1) - 1) / stride + 1 per dimension; None if one is < 1.

    It is rounded down; with `ceil_mode` up, without a window that would begin in the padding behind.
    """
    result = [
        _rounded_up(n + 2 * p - d * (k - 1) - 1, n + p, s) if ceil_mode else (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(
            size,
            kernel,
            _pair(stride, dimensions),
            _pair(padding, dimensions),
            _pair(dilation, dimensions),
            strict=True,
        )
    ]
    return result if min(result, default=0) > 0 else None


def _rounded_up(span: int, end: int, stride: int) -> int:
    last = -(-span // stride)
    return last if last * stride >= end else last + 1


@shape_rule("addmm.default")
def _addmm(bias: Tensor, a: Tensor, b: Tensor, **_: Any) -> Tensor | None:
    fits = a.dim() == b.dim() == 2 and a.shape[1] == b.shape[0] and bias.shape == b.shape[1:]
    same = a.dtype is b.dtype is bias.dtype and a.dtype.is_floating_point
    return empty((a.shape[0], b.shape[1]), a) if fits and same else None


@shape_rule("mm.default")
def _mm(a: Tensor, b: Tensor) -> Tensor | None:
    fits = a.dim() == b.dim() == 2 and a.shape[1] == b.shape[0]
    return empty((a.shape[0], b.shape[1]), a) if fits and a.dtype is b.dtype else None


@shape_rule("bmm.default")
def _bmm(a: Tensor, b: Tensor) -> Tensor | None:
    fits = a.dim() == b.dim() == 3 and a.shape[0] == b.shape[0] and a.shape[2] == b.shape[1]
    return empty((a.shape[0], a.shape[1], b.shape[2]), a) if fits and a.dtype is b.dtype else None


@shape_rule("native_batch_norm.default")
def _batch_norm(
    x: Tensor, weight: Any, bias: Any, mean: Any, variance: Any, training: bool, *_: Any
) -> tuple[Tensor, Tensor, Tensor] | None:
    if x.dim() < 2 or not is_plain(x) or x.dtype not in FULL_PRECISION:
        return None
    channels = x.shape[1]
    if any(t is not None and t.shape != (channels,) for t in (weight, bias, mean, variance)):
        return None
    saved = channels if training else 0
    return empty(x.shape, x), empty((saved,), x), empty((saved,), x)


@shape_rule("native_layer_norm.default")
def _layer_norm(x: Tensor, shape: Any, weight: Any, bias: Any, _: float) -> tuple[Tensor, Tensor, Tensor] | None:
    kept = x.dim() - len(shape)
    if x.dtype not in FULL_PRECISION or tuple(x.shape[kept:]) != tuple(shape):
        return None
    if any(t is not None and tuple(t.shape) != tuple(shape) for t in (weight, bias)):
        return None
    statistics = (*x.shape[:kept], *(1 for _ in shape))
    # Contiguous whatever the input is, as CUDA's kernel leaves it.
    return empty(x.shape, x), empty(statistics, x), empty(statistics, x)


@shape_rule("roll.default")
def _roll(x: Tensor, *_: Any) -> Tensor | None:
    return empty(x.shape, x) if is_plain(x) else None


@shape_rule("masked_fill.Scalar")
def _masked_fill(x: Tensor, mask: Tensor, _: Any) -> Tensor | None:
    return empty(x.shape, x) if is_plain(x) and mask.shape == x.shape and mask.is_contiguous() else None


@shape_rule("_softmax.default")
def _softmax(x: Tensor, dim: int, half_to_float: bool) -> Tensor | None:
    return empty(x.shape, x) if is_plain(x) and not half_to_float and -x.dim() <= dim < x.dim() else None


@shape_rule("cat.default")
def _cat(tensors: list[Tensor], dim: int = 0) -> Tensor | None:
    first = tensors[0] if tensors else None
    if first is None or not is_plain(*tensors) or not -first.dim() <= dim < first.dim():
        return None
    dim %= first.dim()
    rest = (*first.shape[:dim], *first.shape[dim + 1 :])
    if any(t.dim() != first.dim() or (*t.shape[:dim], *t.shape[dim + 1 :]) != rest for t in tensors):
        return None
    return empty((*first.shape[:dim], sum(t.shape[dim] for t in tensors), *first.shape[dim + 1 :]), first)


@shape_rule("mean.dim", "sum.dim_IntList")
def _reduce(x: Tensor, dims: Any, keepdim: bool = False, *, dtype: Any = None) -> Tensor | None:
    if not dims or dtype is not None or not is_plain(x) or not all(-x.dim() <= d < x.dim() for d in dims):
        return None
    reduced = {d % x.dim() for d in dims}
    shape = [1 if i in reduced else n for i, n in enumerate(x.shape) if keepdim or i not in reduced]
    return empty(shape, x)


# Operators of the optimizers. In-place ones only require that the shapes agree.
_FOREACH = ("add.List", "add.Scalar", "div.ScalarList", "lerp.Scalar", "mul.Scalar", "neg.default", "sqrt.default")
_IN_PLACE_LISTS = (
    "_foreach_add_.List", "_foreach_add_.Scalar", "_foreach_addcdiv_.ScalarList", "_foreach_addcmul_.Scalar",
    "_foreach_div_.ScalarList", "_foreach_lerp_.Scalar", "_foreach_mul_.Scalar",
)  # fmt: skip
_IN_PLACE = ("add_.Tensor", "addcdiv_.default", "addcmul_.default", "lerp_.Scalar", "mul_.Tensor")


@shape_rule(*(f"_foreach_{name}" for name in _FOREACH))
def _foreach(tensors: list[Tensor], *_args: Any, **_: Any) -> list[Tensor] | None:
    return [empty(x.shape, x) for x in tensors] if is_plain(*tensors) else None


@shape_rule("_fused_adam_.default", "_fused_adamw_.default", "_fused_sgd_.default")
def _fused_update(*_args: Any, **_: Any) -> tuple[()]:
    return NOTHING  # called by torch's optimizers only, which have checked and grouped the tensors


@shape_rule(*_IN_PLACE_LISTS)
def _in_place_lists(tensors: list[Tensor], *args: Any, **_: Any) -> tuple[()] | None:
    lists = [tensors, *(arg for arg in args if isinstance(arg, list) and arg and isinstance(arg[0], Tensor))]
    agree = all(len({x.shape for x in pair}) == 1 for pair in zip(*lists, strict=True))
    return NOTHING if agree and all(map(is_plain, tensors)) else None


@shape_rule(*_IN_PLACE)
def _in_place(x: Tensor, *args: Any, **_: Any) -> Tensor | None:
    return x if all(not isinstance(y, Tensor) or (y.shape == x.shape and is_plain(x, y)) for y in args) else None


@shape_rule("_to_copy.default")
def _to_copy(x: Tensor, *, dtype: Any = None, **options: Any) -> Tensor | None:
    plain = x.is_contiguous() and dtype is not None and all(value is None for value in options.values())
    return torch.empty(x.shape, dtype=dtype, device="meta") if plain else None


def _int4_matmul(x: Tensor, packed: Tensor, group_size: int, scales: Tensor) -> Tensor:
    # torch's own meta kernel (2.15) takes fake tensors only. The scales are groups x columns x 2 in every layout.
    return empty((x.shape[0], scales.shape[1]), x)


_RULES["aten._weight_int4pack_mm.default"] = _int4_matmul
