"""Build a model without allocating or drawing its weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class _SkipFilling(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch types the base in part
    """Leaves out in-place operators on tensors without data, which are what weight initialisation consists of.

    There is nothing to fill, and torch's own kernels for some of them import dynamo, a second of start-up.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # see archbench.trace.recorder.Recorder

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        first = func._schema.arguments[0] if args else None
        writes_first = first is not None and first.alias_info is not None and first.alias_info.is_write
        if writes_first and args[0].is_meta and not func._schema.name.endswith(("resize_", "set_")):
            return args[0]
        return func(*args, **(kwargs or {}))


@contextmanager
def without_data() -> Iterator[None]:
    """Make what is created inside have no data, and filling it cost nothing."""
    with torch.device("meta"), _SkipFilling():  # type: ignore[no-untyped-call]  # as above
        yield
