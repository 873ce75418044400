"""Memory layer by layer: what each leaves for the backward pass, and the most there is while it runs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from archbench.analyze.layers import layer_table
from archbench.analyze.memory.timeline import timeline
from archbench.trace.records import Trace


@dataclass(frozen=True, slots=True)
class LayerMemory:
    """One row of the layer table, by memory.

    `saved_bytes` is what the layer's forward made that is still there when the backward pass begins; over all rows they
    sum to all that was made and kept. The peaks are of everything that is there while the layer runs, None where it
    does not. Outside mode `train` nothing is saved and there is no backward pass: the fields are None.
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
    """Return one row a layer, in the order of the layer table."""
    saved = _saved(trace) if trace.mode == "train" else None
    peaks: defaultdict[tuple[str, str], int] = defaultdict(int)
    for moment in timeline(trace):
        key = moment.phase, moment.layer
        peaks[key] = max(peaks[key], moment.total_bytes)
    return tuple(
        LayerMemory(
            index=row.index,
            name=row.name,
            type=row.type,
            param_bytes=row.param_bytes,
            output_bytes=row.output_bytes,
            saved_bytes=None if saved is None else saved[row.name],
            forward_peak_bytes=peaks.get(("forward", row.name)),
            backward_peak_bytes=peaks.get(("backward", row.name)),
        )
        for row in layer_table(trace).rows
    )


def _saved(trace: Trace) -> defaultdict[str, int]:
    """Return for each row the bytes that its forward made and that outlive the forward pass."""
    makers = {op.step: trace.row_of(op) for op in trace.operations if not op.is_backward}
    backward = next((op.step for op in trace.operations if op.is_backward), None)
    saved: defaultdict[str, int] = defaultdict(int)
    for storage in trace.storages:
        is_kept = backward is not None and (storage.died is None or storage.died >= backward)
        if storage.kind == "activation" and storage.born in makers and is_kept:
            saved[makers[storage.born]] += storage.size_bytes
    return saved
