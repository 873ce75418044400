"""Records of measurements."""

from __future__ import annotations

from typing import Any

from archbench.measure.bench.expectation import Expectation
from archbench.store.records import Configuration, Result

LENET = Configuration("lenet", "1x32x32", "cpu", "Some CPU", "eval", 1, "fp32", "nchw", False, False, 2)


def result(status: str = "ok", reason: str = "", **changes: Any) -> Result:
    """Return the result of measuring LeNet, with changes."""
    values: dict[str, Any] = {"run_id": "a" * 32, "started_at": "2026-01-01", "machine": "here", "configuration": LENET}
    values |= {"status": status, "reason": reason, "images_per_s": 12.5}
    return Result(**{**values, **changes})


def configuration(**changes: Any) -> Configuration:
    """Return LeNet in evaluation on a CPU, with changes."""
    values: dict[str, Any] = {
        "model": "lenet", "input_shape": "1x32x32", "kind": "cpu", "device": "Some CPU", "mode": "eval", "batch": 4,
        "dtype": "fp32", "layout": "nchw", "compiled": False, "graphs": False, "threads": 1,
    }  # fmt: skip
    return Configuration(**{**values, **changes})


def expectation(**changes: Any) -> Expectation:
    """Return what is expected where no ceilings are known, with changes."""
    values: dict[str, Any] = {
        "flops": 1000, "winograd_share": 0.0, "least_bytes": 0, "needed_bytes": 1, "images_per_s": None,
        "peak_flop_per_s": None, "bandwidth_bytes_per_s": None, "published_flop_per_s": None,
        "published_bytes_per_s": None,
    }  # fmt: skip
    return Expectation(**{**values, **changes})
