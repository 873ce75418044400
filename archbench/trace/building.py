"""Build a model without allocating or drawing its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

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
    """Leaves out in-place operators on the tensors that `is_skipped` picks; weight initialisation consists of them.

    On tensors without data there is nothing to fill, and torch's own kernels for some of these operators import
    dynamo, a second of start-up.
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
        first = func._schema.arguments[0] if args else None
        writes_first = first is not None and first.alias_info is not None and first.alias_info.is_write
        if writes_first and self._is_skipped(args[0]) and not func._schema.name.endswith(("resize_", "set_")):
            return args[0]
        return func(*args, **(kwargs or {}))
