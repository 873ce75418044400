"""The most memory that a run needs at one moment, from the lifetimes of its storages.

Counted are parameters, buffers, inputs, gradients and all that operators make, each as long as something refers to it:
views share their storage, in-place operators make none, and what the backward pass needs stays until it was used. Not
counted are the rounding and caching of allocators and the workspaces of kernels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from archbench.trace.records import Storage, Trace


def peak_bytes(trace: Trace) -> int:
    """Return the peak of the run: of a forward pass, or of a training step, one of many, with its optimizer."""
    return largest_sum(trace.storages)


def largest_sum(storages: Iterable[Storage]) -> int:
    """Return the largest sum of sizes over all steps; a storage is there from `born` to `died`, both included."""
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
