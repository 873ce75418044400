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
    from archbench.api.ab_test import ABResult, ab_test
    from archbench.api.bench import BenchResults, bench
    from archbench.api.check import CheckResult, check
    from archbench.api.compare import Comparison, compare
    from archbench.api.costs import Costs, costs
    from archbench.api.devices import Devices, devices
    from archbench.api.diff import Diff, diff
    from archbench.api.draw import Drawing, draw
    from archbench.api.estimate import Estimate, estimate
    from archbench.api.explain import Explanation, explain
    from archbench.api.history import History, history
    from archbench.api.largest_batch import largest_batch
    from archbench.api.list_models import ModelCard, list_models
    from archbench.api.load import load
    from archbench.api.load_run import load_run
    from archbench.api.memory import MemoryEstimate, memory
    from archbench.api.plot import plot
    from archbench.api.predict import predict
    from archbench.api.profile import Profile, profile
    from archbench.api.report import Report, report
    from archbench.api.results import StoredResults, results
    from archbench.api.summary import Summary, summarize
    from archbench.api.train import train
    from archbench.api.train_plan import train_plan
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
    from archbench.reporting.training_plan import TrainingPlan
    from archbench.reporting.training_run import Predictions, TrainingRun
    from archbench.trace.costs import Cost, register_cost

    __version__: str

# Notes go to handlers that the application adds, as the command line does; without one nothing is printed.
logging.getLogger(__name__).addHandler(logging.NullHandler())

# Every public name and the module that defines it; imported when it is first used.
_MODULES = {
    "ABResult": "api.ab_test",
    "AddressError": "errors",
    "ArchbenchError": "errors",
    "BenchResults": "api.bench",
    "CheckResult": "api.check",
    "Claims": "api.verify",
    "Comparison": "api.compare",
    "Cost": "trace.costs",
    "Costs": "api.costs",
    "DataError": "errors",
    "DeviceError": "errors",
    "Devices": "api.devices",
    "Diff": "api.diff",
    "Drawing": "api.draw",
    "Estimate": "api.estimate",
    "Explanation": "api.explain",
    "ForwardError": "errors",
    "History": "api.history",
    "InputError": "errors",
    "MeasurementError": "errors",
    "MemoryEstimate": "api.memory",
    "ModelCard": "api.list_models",
    "OutputError": "errors",
    "Predictions": "reporting.training_run",
    "Profile": "api.profile",
    "Progress": "progress",
    "Report": "api.report",
    "StoreError": "errors",
    "StoredResults": "api.results",
    "Summary": "api.summary",
    "TrainingPlan": "reporting.training_plan",
    "TrainingRun": "reporting.training_run",
    "UsageError": "errors",
    "ab_test": "api.ab_test",
    "bench": "api.bench",
    "check": "api.check",
    "compare": "api.compare",
    "costs": "api.costs",
    "devices": "api.devices",
    "diff": "api.diff",
    "draw": "api.draw",
    "estimate": "api.estimate",
    "explain": "api.explain",
    "history": "api.history",
    "largest_batch": "api.largest_batch",
    "list_models": "api.list_models",
    "load": "api.load",
    "load_run": "api.load_run",
    "memory": "api.memory",
    "plot": "api.plot",
    "predict": "api.predict",
    "profile": "api.profile",
    "register_cost": "trace.costs",
    "report": "api.report",
    "results": "api.results",
    "summarize": "api.summary",
    "train": "api.train",
    "train_plan": "api.train_plan",
    "verify": "api.verify",
}

__all__ = [
    "ABResult",
    "AddressError",
    "ArchbenchError",
    "BenchResults",
    "CheckResult",
    "Claims",
    "Comparison",
    "Cost",
    "Costs",
    "DataError",
    "DeviceError",
    "Devices",
    "Diff",
    "Drawing",
    "Estimate",
    "Explanation",
    "ForwardError",
    "History",
    "InputError",
    "MeasurementError",
    "MemoryEstimate",
    "ModelCard",
    "OutputError",
    "Predictions",
    "Profile",
    "Progress",
    "Report",
    "StoreError",
    "StoredResults",
    "Summary",
    "TrainingPlan",
    "TrainingRun",
    "UsageError",
    "__version__",
    "ab_test",
    "bench",
    "check",
    "compare",
    "costs",
    "devices",
    "diff",
    "draw",
    "estimate",
    "explain",
    "history",
    "largest_batch",
    "list_models",
    "load",
    "load_run",
    "memory",
    "plot",
    "predict",
    "profile",
    "register_cost",
    "report",
    "results",
    "summarize",
    "train",
    "train_plan",
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
