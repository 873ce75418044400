"""Memory per layer: what each layer saves for the backward pass, and the peak while it runs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from archbench.analyze.layers import layer_table
from archbench.analyze.memory.timeline import timeline
from archbench.analyze.shared_fields import shared_fields
from archbench.trace.records import Trace


@dataclass(frozen=True, slots=True)
class LayerMemory:
    """The memory of one row of the layer table.

    `saved_bytes` is what the layer's forward allocated that is still alive when the backward pass begins; its sum over
    all rows is everything saved. The peaks are of all memory in use while the layer runs, None where it does not run.
    Outside mode `train` nothing is saved and there is no backward pass: the fields are None.
    """

    index: int
    name: str
    type: str
    param_bytes: int
    output_bytes: int
    saved_bytes: int | None
    forward_peak_bytes: int | None
    backward_peak_bytes: int | None


def layer_memory(trace: Trace) -> tuple[LayerMemory, ...]:
    """Return one row per layer, in the order of the layer table."""
    saved = _saved(trace) if trace.mode == "train" else None
    peaks: defaultdict[tuple[str, str], int] = defaultdict(int)
    for moment in timeline(trace):
        key = moment.phase, moment.layer
        peaks[key] = max(peaks[key], moment.total_bytes)
    return tuple(
        LayerMemory(
            saved_bytes=None if saved is None else saved[row.name],
            forward_peak_bytes=peaks.get(("forward", row.name)),
            backward_peak_bytes=peaks.get(("backward", row.name)),
            **shared_fields(row, LayerMemory),
        )
        for row in layer_table(trace).rows
    )


def _saved(trace: Trace) -> defaultdict[str, int]:
    """Return for each row the bytes that its forward allocated and that outlive the forward pass."""
    makers = {op.step: trace.row_of(op) for op in trace.operations if not op.is_backward}
    backward = next((op.step for op in trace.operations if op.is_backward), None)
    saved: defaultdict[str, int] = defaultdict(int)
    for storage in trace.storages:
        is_kept = backward is not None and (storage.died is None or storage.died >= backward)
        if storage.kind == "activation" and storage.born in makers and is_kept:
            saved[makers[storage.born]] += storage.size_bytes
    return saved
