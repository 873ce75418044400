"""The memory of a run in one row: the peak, where it is, and what is there then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from archbench.analyze.memory.allocator import rounding_bytes, workspace_bytes
from archbench.analyze.memory.timeline import peak_moment
from archbench.analyze.performance.roofline import Conditions
from archbench.errors import InputError
from archbench.trace.records import Trace
from archbench.units import format_bytes

_MOST = 2**31


@dataclass(frozen=True, slots=True)
class Footprint:
    """One run's peak. `peak_bytes` is the sum of what is there, by category; workspace and rounding come on top.

    Those two depend on the device and are None where none was named. `optimizer` is empty outside training.
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
        """What has to be free: the peak with all that comes on top."""
        return self.peak_bytes + (self.workspace_bytes or 0) + (self.rounding_bytes or 0)


def footprint(model: str, trace: Trace, dtype: str, conditions: Conditions | None) -> Footprint:
    """Return the row of a trace; `conditions` say on what device it would run, if that is known."""
    moment = peak_moment(trace)
    return Footprint(
        model=model,
        batch=trace.batch,
        mode=trace.mode,
        optimizer=trace.optimizer or "",
        dtype=dtype,
        peak_bytes=moment.total_bytes,
        peak_layer=moment.layer,
        params_bytes=moment.params_bytes,
        gradient_bytes=moment.gradient_bytes,
        optimizer_bytes=moment.optimizer_bytes,
        activation_bytes=moment.activation_bytes,
        temporary_bytes=moment.temporary_bytes,
        input_bytes=moment.input_bytes,
        workspace_bytes=None if conditions is None else workspace_bytes(trace, conditions),
        rounding_bytes=None if conditions is None or conditions.device.kind == "cpu" else rounding_bytes(trace),
        peak_phase=moment.phase,
    )


def largest_batch(needed_bytes: Callable[[int], int], limit_bytes: int, smallest: int = 1) -> int:
    """Return the largest batch that needs no more than the limit, 0 if the smallest needs more.

    It is looked for on the assumption that a larger batch does not need less. Raises InputError where there is no
    largest one: memory does not grow with the batch, or billions of samples fit.
    """
    before = needed_bytes(smallest)
    if before > limit_bytes:
        return 0
    fits, too_large = smallest, 2 * smallest
    while (needed := needed_bytes(too_large)) <= limit_bytes:
        if needed == before or too_large > _MOST:
            raise InputError(f"no batch is too large for that: {too_large} samples need {format_bytes(needed)}")
        fits, too_large, before = too_large, 2 * too_large, needed
    while too_large - fits > 1:
        middle = (fits + too_large) // 2
        if needed_bytes(middle) <= limit_bytes:
            fits = middle
        else:
            too_large = middle
    return fits
