"""Analyse and benchmark neural-network architectures in PyTorch.

import archbench
summary = archbench.summarize("vgg16")
summary.totals.macs, summary.layers
"""

from __future__ import annotations

import gc
import logging
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archbench.api.check import CheckResult, check
    from archbench.api.compare import Comparison, compare
    from archbench.api.costs import Costs, costs
    from archbench.api.diff import Diff, diff
    from archbench.api.draw import Drawing, draw
    from archbench.api.explain import Explanation, explain
    from archbench.api.history import History, history
    from archbench.api.list_models import ModelCard, list_models
    from archbench.api.load import load
    from archbench.api.plot import plot
    from archbench.api.report import Report, report
    from archbench.api.summary import Summary, summarize
    from archbench.api.verify import Claims, verify
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
    from archbench.progress import Progress
    from archbench.trace.costs import Cost, register_cost

    __version__: str

# Notes go to handlers that the application adds, as the command line does; without one nothing is printed.
logging.getLogger(__name__).addHandler(logging.NullHandler())

# Every public name and the module that defines it; imported when it is first used.
_MODULES = {
    "AddressError": "errors",
    "ArchbenchError": "errors",
    "CheckResult": "api.check",
    "Claims": "api.verify",
    "Comparison": "api.compare",
    "Cost": "trace.costs",
    "Costs": "api.costs",
    "DataError": "errors",
    "DeviceError": "errors",
    "Diff": "api.diff",
    "Drawing": "api.draw",
    "Explanation": "api.explain",
    "ForwardError": "errors",
    "History": "api.history",
    "InputError": "errors",
    "MeasurementError": "errors",
    "ModelCard": "api.list_models",
    "OutputError": "errors",
    "Progress": "progress",
    "Report": "api.report",
    "StoreError": "errors",
    "Summary": "api.summary",
    "UsageError": "errors",
    "check": "api.check",
    "compare": "api.compare",
    "costs": "api.costs",
    "diff": "api.diff",
    "draw": "api.draw",
    "explain": "api.explain",
    "history": "api.history",
    "list_models": "api.list_models",
    "load": "api.load",
    "plot": "api.plot",
    "register_cost": "trace.costs",
    "report": "api.report",
    "summarize": "api.summary",
    "verify": "api.verify",
}

__all__ = [
    "AddressError",
    "ArchbenchError",
    "CheckResult",
    "Claims",
    "Comparison",
    "Cost",
    "Costs",
    "DataError",
    "DeviceError",
    "Diff",
    "Drawing",
    "Explanation",
    "ForwardError",
    "History",
    "InputError",
    "MeasurementError",
    "ModelCard",
    "OutputError",
    "Progress",
    "Report",
    "StoreError",
    "Summary",
    "UsageError",
    "__version__",
    "check",
    "compare",
    "costs",
    "diff",
    "draw",
    "explain",
    "history",
    "list_models",
    "load",
    "plot",
    "register_cost",
    "report",
    "summarize",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Import what a public name needs when it is first used: `import archbench` loads no torch."""
    if name == "__version__":
        from importlib.metadata import version

        return version("archbench")
    if name not in _MODULES:
        raise AttributeError(f"module 'archbench' has no attribute '{name}'")
    return getattr(_imported(f"archbench.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__


def _imported(module: str) -> ModuleType:
    """Import a module with garbage collection off: scanning torch's modules costs 1/7 of its import time."""
    if not gc.isenabled():
        return import_module(module)
    gc.disable()
    try:
        return import_module(module)
    finally:
        _resume_gc()


# The command line, which owns its process, also takes what was imported out of all later scans.
_resume_gc = gc.enable
