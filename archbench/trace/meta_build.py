"""Build a model without allocating or drawing its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from archbench.trace.costs import OVERWRITING

# What weight initialisation consists of. None of them changes a shape, and what has no data has nothing to fill.
_FILLING = OVERWRITING | frozenset(f"aten.{name}_" for name in ("add", "clamp", "div", "erfinv", "mul", "sub"))

# On real memory, weights from this size on are left as they are allocated: the system commits no memory to them.
_LARGE = 4096


def build(builder: Callable[..., Any], arguments: dict[str, Any]) -> tuple[Any, str | None]:
    """Return what `builder(**arguments)` gives, built without data, and None.

    A builder that reads values while it builds is run again on real memory, its large parameters not filled and so
    not committed; then the second value says why. Other errors are the builder's own.
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
    """Recognise torch's several ways to say that a meta tensor has no values (item, tolist, numpy, no kernel)."""
    text = str(error).lower()
    return "meta" in text or "unallocated storage" in text


@contextmanager
def _without_data() -> Iterator[None]:
    with torch.device("meta"), _SkipFilling(lambda tensor: tensor.is_meta):
        yield


class _SkipFilling(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch types the base in part
    """Leaves out the filling of tensors that `is_skipped` picks.

    torch's own kernels for some of these operators import dynamo on tensors without data, a second of start-up.
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
