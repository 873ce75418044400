"""Analyse and benchmark neural-network architectures in PyTorch.

import archbench
summary = archbench.summarize(model, torch.empty(1, 3, 224, 224))
summary.totals.macs, summary.layers
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archbench.api.summary import Summary, compare, summarize
    from archbench.errors import (
        AddressError,
        ArchbenchError,
        DataError,
        DeviceError,
        ForwardError,
        InputError,
        MeasurementError,
        OutputError,
        StoreError,
        UsageError,
    )
    from archbench.trace.costs import Cost, register_cost

__all__ = [
    "AddressError",
    "ArchbenchError",
    "Cost",
    "DataError",
    "DeviceError",
    "ForwardError",
    "InputError",
    "MeasurementError",
    "OutputError",
    "StoreError",
    "Summary",
    "UsageError",
    "compare",
    "register_cost",
    "summarize",
]

_API = {"Summary", "compare", "summarize"}
_COSTS = {"Cost", "register_cost"}


def __getattr__(name: str) -> Any:
    """Import torch only when something that needs it is asked for: `archbench --help` does not."""
    if name not in __all__:
        raise AttributeError(f"module 'archbench' has no attribute '{name}'")
    if name in _API:
        from archbench.api import summary as module
    elif name in _COSTS:
        from archbench.trace import costs as module  # type: ignore[no-redef]
    else:
        from archbench import errors as module  # type: ignore[no-redef]
    return getattr(module, name)


def __dir__() -> list[str]:
    return __all__
