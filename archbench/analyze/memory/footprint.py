"""The memory of a run as one row: its peak, where that is, and what it consists of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from archbench.analyze.memory.allocator import rounding_bytes, workspace_bytes
from archbench.analyze.memory.timeline import peak_moment
from archbench.analyze.performance.roofline import Conditions
from archbench.analyze.shared_fields import shared_fields
from archbench.errors import InputError
from archbench.trace.records import Trace
from archbench.units import format_bytes

_MAX_BATCH = 2**31


@dataclass(frozen=True, slots=True)
class Footprint:
    """The peak of one run. `peak_bytes` is the sum of its categories, from `params_bytes` to `input_bytes`.

    `workspace_bytes` and `rounding_bytes` come on top; they depend on the device and are None without one. `optimizer`
    is empty outside training.
    """

    model: str
    batch: int
    mode: str
    optimizer: str
    dtype: str
    peak_bytes: int
    peak_layer: str
    params_bytes: int
    gradient_bytes: int
    optimizer_bytes: int
    activation_bytes: int
    temporary_bytes: int
    input_bytes: int
    workspace_bytes: int | None
    rounding_bytes: int | None
    peak_phase: str

    @property
    def needed_bytes(self) -> int:
        """The memory that has to be free: the peak, workspaces and rounding."""
        return self.peak_bytes + (self.workspace_bytes or 0) + (self.rounding_bytes or 0)


def footprint(model: str, trace: Trace, dtype: str, conditions: Conditions | None) -> Footprint:
    """Return the row of a trace; `conditions` name the device, None if it is not known."""
    moment = peak_moment(trace)
    return Footprint(
        model=model,
        batch=trace.batch,
        mode=trace.mode,
        optimizer=trace.optimizer or "",
        dtype=dtype,
        peak_bytes=moment.total_bytes,
        peak_layer=moment.layer,
        peak_phase=moment.phase,
        workspace_bytes=None if conditions is None else workspace_bytes(trace, conditions),
        rounding_bytes=None if conditions is None or conditions.device.kind == "cpu" else rounding_bytes(trace),
        **shared_fields(moment, Footprint),
    )


def largest_batch(needed_bytes: Callable[[int], int], limit_bytes: int, smallest: int = 1) -> int:
    """Return the largest batch that needs at most `limit_bytes`, 0 if `smallest` needs more.

    Doubles the batch until it no longer fits, then bisects: memory is assumed not to fall as the batch grows. Raises
    InputError if memory does not grow with the batch, or billions of samples fit.
    """
    previous = needed_bytes(smallest)
    if previous > limit_bytes:
        return 0
    fits, too_large = smallest, 2 * smallest
    while (needed := needed_bytes(too_large)) <= limit_bytes:
        if needed == previous or too_large > _MAX_BATCH:
            limit = format_bytes(limit_bytes)
            raise InputError(f"every batch fits in {limit}: {too_large} samples need {format_bytes(needed)}")
        fits, too_large, previous = too_large, 2 * too_large, needed
    while too_large - fits > 1:
        middle = (fits + too_large) // 2
        if needed_bytes(middle) <= limit_bytes:
            fits = middle
        else:
            too_large = middle
    return fits
