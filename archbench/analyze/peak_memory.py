"""The peak memory of a run: the largest sum of the storages alive at one step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from archbench.trace.records import Storage, Trace


def peak_bytes(trace: Trace) -> int:
    """Return the peak of a forward pass, or of a training step (after the first) including its optimizer."""
    return largest_sum(trace.storages)


def largest_sum(storages: Iterable[Storage]) -> int:
    """Return the largest sum of sizes over all steps; a storage is alive from `born` to `died`, both included."""
    changes: defaultdict[int, int] = defaultdict(int)
    for storage in storages:
        changes[storage.born] += storage.size_bytes
        if storage.died is not None:
            changes[storage.died + 1] -= storage.size_bytes
    present = peak = 0
    for step in sorted(changes):
        present += changes[step]
        peak = max(peak, present)
    return peak
