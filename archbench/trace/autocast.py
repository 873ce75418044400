"""Autocast on meta tensors, which torch's own autocast ignores, with the policy of its CUDA backend.

The policy is that of torch's header ATen/autocast_mode.h, with the Python names of its functions and of those composed
in Python. As in torch, a parameter is cast once and the result kept until autocast ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import torch
from torch import Tensor
from torch._ops import HigherOrderOperator
from torch.overrides import TorchFunctionMode

from archbench.trace.pytree import map_tensors, tensors_in
from archbench.trace.torch_functions import is_composite, transparent

LOWER = frozenset(
    {
        "_convolution", "conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d",
        "conv_transpose3d", "convolution", "prelu", "addmm", "addmv", "addr", "matmul", "einsum", "mm", "mv",
        "linalg_vecdot", "linear", "addbmm", "baddbmm", "bmm", "chain_matmul", "linalg_multi_dot",
        "_thnn_fused_lstm_cell", "_thnn_fused_gru_cell", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell",
        "_scaled_dot_product_flash_attention", "flex_attention", "scaled_dot_product_attention",
    }
)  # fmt: skip
FULL = frozenset(
    {
        "acos", "asin", "cosh", "erfinv", "exp", "expm1", "log", "log10", "log2", "log1p", "reciprocal", "rsqrt",
        "sinh", "tan", "pow", "softplus", "layer_norm", "native_layer_norm", "rms_norm", "group_norm",
        "frobenius_norm", "nuclear_norm", "cosine_similarity", "poisson_nll_loss", "cosine_embedding_loss", "nll_loss",
        "nll_loss2d", "hinge_embedding_loss", "kl_div", "l1_loss", "smooth_l1_loss", "huber_loss", "mse_loss",
        "margin_ranking_loss", "multilabel_margin_loss", "soft_margin_loss", "triplet_margin_loss",
        "multi_margin_loss", "binary_cross_entropy_with_logits", "dist", "pdist", "cdist", "renorm", "logsumexp",
        "upsample_nearest1d", "_upsample_nearest_exact1d", "upsample_nearest2d", "_upsample_nearest_exact2d",
        "upsample_nearest3d", "_upsample_nearest_exact3d", "upsample_linear1d", "upsample_bilinear2d",
        "_upsample_bilinear2d_aa", "upsample_trilinear3d", "upsample_bicubic2d", "_upsample_bicubic2d_aa",
    }
)  # fmt: skip
# Computed in float32 by means of their argument `dtype`, unless the caller passed one.
FULL_BY_DTYPE = frozenset(
    {"prod", "softmax", "log_softmax", "cumprod", "cumsum", "linalg_vector_norm", "linalg_matrix_norm", "sum"}
)
PROMOTED = frozenset(
    {
        "addcdiv", "addcmul", "atan2", "bilinear", "cross", "dot", "vdot", "grid_sampler", "index_put", "tensordot",
        "scatter_add",
    }
)  # fmt: skip

# Python's names of functions above, and composites written in C++: recurrent layers, which cuDNN's wrapper casts whole.
_PYTHON_NAMES = {
    "__matmul__": "matmul", "__rmatmul__": "matmul", "__pow__": "pow", "__rpow__": "pow", "__rdiv__": "reciprocal",
    "__rtruediv__": "reciprocal", "norm": "frobenius_norm", "cross_entropy_loss":
    "nll_loss", "gru": "gru_cell", "lstm": "lstm_cell", "rnn_relu": "rnn_relu_cell", "rnn_tanh": "rnn_tanh_cell",
}  # fmt: skip


@contextmanager
def autocast(dtype: torch.dtype | None) -> Iterator[None]:
    """Enable autocast as on a GPU in the context; with None do nothing."""
    if dtype is None:
        yield
    else:
        with _Autocast(dtype):
            yield


class _Autocast(TorchFunctionMode):
    """Casts the arguments of functions to `dtype` or float32, as torch's autocast does on a GPU."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self._dtype = dtype
        self._casts: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        name = _PYTHON_NAMES.get(name, name)
        if name in FULL_BY_DTYPE and not _names_dtype(args, kwargs) and self._has_lower(args):
            return func(*args, **{**kwargs, "dtype": torch.float32})
        if name in LOWER:
            target = self._dtype
        elif name in FULL or (name in PROMOTED and self._has_full(args)):
            target = torch.float32
        elif isinstance(func, FunctionType) and is_composite(func):
            with self:
                return transparent(func)(*args, **kwargs)
        elif isinstance(func, HigherOrderOperator):
            return func(*(self._inside(value) if callable(value) else value for value in args), **kwargs)
        else:
            return func(*args, **kwargs)
        return func(*map_tensors(args, self._caster(target)), **map_tensors(kwargs, self._caster(target)))

    def _inside(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return run

    def _caster(self, target: torch.dtype) -> Callable[[Tensor], Tensor]:
        return lambda tensor: self._cast(tensor, target)

    def _cast(self, tensor: Tensor, target: torch.dtype) -> Tensor:
        """Return a floating-point tensor cast to `target`; other tensors, and float64, are not cast."""
        if not tensor.is_floating_point() or tensor.dtype in (target, torch.float64):
            return tensor
        is_full = tensor.dtype is torch.float32
        is_parameter = is_full and tensor.requires_grad and tensor.is_leaf and not tensor._is_view()
        if target is torch.float32 or not is_parameter:
            return tensor.to(target)
        if id(tensor) not in self._casts:
            self._casts[id(tensor)] = tensor, tensor.to(target)
        return self._casts[id(tensor)][1]

    def _has_lower(self, values: Any) -> bool:
        return any(tensor.dtype in (torch.float16, torch.bfloat16) for tensor in tensors_in(values))

    def _has_full(self, values: Any) -> bool:
        return any(tensor.dtype is torch.float32 for tensor in tensors_in(values))


def _names_dtype(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Return whether the caller passed the dtype of the result."""
    return any(isinstance(value, torch.dtype) for value in (*args, *kwargs.values()))
