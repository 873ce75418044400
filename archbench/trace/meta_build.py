"""Build a model without allocating or initialising its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from archbench.trace.costs import OVERWRITING

# Operators of weight initialisation. None of them changes a shape, so that they can be skipped on meta tensors.
_FILLING = OVERWRITING | frozenset(f"aten.{name}_" for name in ("add", "clamp", "div", "erfinv", "mul", "sub"))

# Real parameters of at least so many elements are not filled: the operating system then commits no memory to them.
_LARGE = 4096


def build(builder: Callable[..., Any], arguments: dict[str, Any]) -> tuple[Any, str | None]:
    """Return the result of `builder(**arguments)` on the meta device, and None.

    A builder that reads values of tensors is run again on real memory, with large parameters left uninitialised; the
    second value is then the reason. Other errors of the builder are raised as they are.
    """
    try:
        with _without_data():
            return builder(**arguments), None
    except (NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        if not is_about_missing_data(error):
            raise
        reason = str(error).strip().splitlines()[0]
    with _SkipFilling(lambda tensor: isinstance(tensor, nn.Parameter) and tensor.numel() >= _LARGE):
        return builder(**arguments), reason


def is_about_missing_data(error: Exception) -> bool:
    """Recognise torch's several errors about the missing values of a meta tensor (item, tolist, numpy, no kernel)."""
    text = str(error).lower()
    # The last is about the data of a tensor set to one with values where it has none, or the reverse.
    return any(words in text for words in ("meta", "unallocated storage", "incompatible tensor type"))


@contextmanager
def _without_data() -> Iterator[None]:
    with torch.device("meta"), _SkipFilling(lambda tensor: tensor.is_meta):
        yield


class _SkipFilling(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch types the base class partly
    """Skips the filling of tensors for which `is_skipped` is true.

    torch's meta kernels of some of these operators import dynamo, a second of start-up.
    """

    def __init__(self, is_skipped: Callable[[Tensor], bool]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self._is_skipped = is_skipped

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # see archbench.trace.recorder.Recorder

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func._schema.name.replace("::", ".") in _FILLING and self._is_skipped(args[0]):
            return args[0]
        return func(*args, **(kwargs or {}))
