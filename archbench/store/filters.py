"""Filters of results by the values that users give."""

from __future__ import annotations

from typing import Any

from archbench.errors import choose
from archbench.host.machine import KINDS
from archbench.models.identity import resolved
from archbench.precision import find_precision
from archbench.store.records import STATUSES


def result_filter(
    *,
    model: str | None = None,
    status: str | None = None,
    mode: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    batch: int | None = None,
) -> dict[str, Any]:
    """Return a filter of results for `Store.results`; `device` is a kind of device, or the name of one.

    Raises UsageError, with the nearest choice, for a status, mode or dtype that does not exist.
    """
    is_kind = device in KINDS
    return {
        "model": model and resolved(model),
        "status": status and choose("status", status, STATUSES),
        "mode": mode and choose("mode", mode, ("eval", "train")),
        "kind": device if is_kind else None,
        "device": None if is_kind else device,
        "dtype": dtype and find_precision(dtype).name,
        "batch": batch,
    }
