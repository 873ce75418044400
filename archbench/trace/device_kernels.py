"""Replace functions of torch by the kernels that a device would run for them.

On tensors without data torch composes these functions of many operators, on a GPU each is one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from archbench.trace.attention import AttentionKernels
from archbench.trace.flex_attention import flex_attention
from archbench.trace.higher_order import HigherOrderOperators
from archbench.trace.imported_flex_attention import imported_flex_attention
from archbench.trace.recurrent import recurrent_layers
from archbench.trace.torch_functions import transparent
from archbench.trace.values import tensor_with_values


def _is_never_nested(*_: Any) -> bool:
    """Let a TransformerEncoder keep the padding that its mask hides, which counts like any other input."""
    return False


class DeviceKernels(TorchFunctionMode):
    """Runs attention by `attention`, recurrent layers as one operator where the device is an NVIDIA GPU.

    Of higher-order operators it runs the functions they take, by `higher_order`.
    """

    def __init__(self, attention: AttentionKernels, higher_order: HigherOrderOperators) -> None:
        super().__init__()
        self._replaced: dict[Callable[..., Any], Callable[..., Any]] = {
            functional.scaled_dot_product_attention: attention,
            functional.multi_head_attention_forward: self._multi_head_attention,
            torch.tensor: tensor_with_values,
            torch._nested_tensor_from_mask_left_aligned: _is_never_nested,
        }
        if attention.kind == "cuda":
            self._replaced.update(recurrent_layers())
        if (flex := imported_flex_attention()) is not None:
            self._replaced[flex] = partial(flex_attention, attention.log)
        for operator, function in higher_order.replacements().items():
            self._replaced[operator] = self._inside(function)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return self._replaced.get(func, func)(*args, **(kwargs or {}))

    def _multi_head_attention(self, *args: Any, **kwargs: Any) -> Any:
        # Composed in Python, of scaled_dot_product_attention among others.
        return self._inside(transparent(functional.multi_head_attention_forward))(*args, **kwargs)

    def _inside(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that calls others, which are replaced too."""

        def run(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return run
