"""Replace functions of torch by the kernels that a device would run for them.

On tensors without data torch composes these functions of many operators, on a GPU each is one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.nn import functional
from torch.overrides import TorchFunctionMode

from archbench.trace.attention import AttentionKernels
from archbench.trace.recurrent import recurrent_layers
from archbench.trace.torch_functions import transparent


class DeviceKernels(TorchFunctionMode):
    """Runs attention by `attention`, and recurrent layers as one operator where the device is an NVIDIA GPU."""

    def __init__(self, attention: AttentionKernels) -> None:
        super().__init__()
        self._replaced: dict[Callable[..., Any], Callable[..., Any]] = {
            functional.scaled_dot_product_attention: attention,
            functional.multi_head_attention_forward: self._multi_head_attention,
        }
        if attention.kind == "cuda":
            self._replaced.update(recurrent_layers())

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return self._replaced.get(func, func)(*args, **(kwargs or {}))

    def _multi_head_attention(self, *args: Any, **kwargs: Any) -> Any:
        with self:  # composed in Python, of scaled_dot_product_attention among others
            return transparent(functional.multi_head_attention_forward)(*args, **kwargs)
