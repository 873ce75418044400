"""A measurement as the store keeps it."""

from __future__ import annotations

from archbench.store.records import Configuration, Result

LENET = Configuration("lenet", "1x32x32", "cpu", "Some CPU", "eval", 1, "fp32", "nchw", False, False, 2)


def result(status: str = "ok", reason: str = "") -> Result:
    """Return the result of measuring LeNet."""
    return Result("a" * 32, "2026-01-01", "here", LENET, status, reason, images_per_s=12.5)
