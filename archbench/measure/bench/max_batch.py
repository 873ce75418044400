"""Find the largest safe batch: fit a line through the memory at two batches and solve it for 90% of free memory.

The line may be wrong, because workspaces depend on the batch: three steps of the predicted batch are run in a new
process before it is returned.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from archbench.errors import MeasurementError
from archbench.host.machine import Kind
from archbench.measure.worker.client import Failure, OnPhase, run_request
from archbench.measure.worker.request import Request
from archbench.store.records import Configuration
from archbench.units import format_bytes, format_integer

SAFE_SHARE = 0.9
# Larger batches do not increase throughput; on a CPU one batch of a large network takes minutes.
MAX_BATCH: dict[Kind, int] = {"cuda": 2**16, "cpu": 2**8, "mps": 2**10}
_SMALL, _LARGE = 8, 64
# Each trial starts a process. After a batch that takes too much, the next is smaller by a 32nd at least, which is more
# than noise; the search ends when the bounds are within an eighth.
_MAX_TRIALS = 10
_MIN_STEP = 32
_CLOSE = 8


class Memory(Protocol):
    """The memory of a device. The methods for a batch return None if it does not fit."""

    def needed_bytes(self, batch: int) -> int | None:
        """Return the memory of a batch: measured, or predicted if the device does not report it."""

    def tried_bytes(self, batch: int) -> int | None:
        """Run three steps in a new process and return the memory of the batch, measured or predicted."""

    def limit_bytes(self) -> int:
        """Return the memory that a batch may take."""


@dataclass(frozen=True, slots=True)
class Largest:
    """The largest batch that was tried and fits, 0 if not even one sample does.

    `is_capped` means that it is the largest that is tried at all.
    """

    batch: int
    needed_bytes: int
    limit_bytes: int
    is_capped: bool


@dataclass(frozen=True, slots=True)
class _Point:
    batch: int
    needed_bytes: int


def find_largest(memory: Memory, most: int) -> Largest:
    """Return the largest safe batch, at most `most`.

    The first trial is where the line reaches the limit; if it fits, the search is over. After a batch that exceeds the
    limit, the next trial is on the line to it. After a batch that does not fit at all, whose memory is unknown, the
    search bisects until the bounds are within an eighth.
    """
    small = _first_fit(memory, min(_SMALL, most), 0)
    if small is None:
        return Largest(0, 0, memory.limit_bytes(), is_capped=False)
    # If nothing larger fits, a smaller batch is the other end of the line.
    other = _first_fit(memory, min(_LARGE, most), small.batch) or _first_fit(memory, small.batch // 2, 0)
    limit = memory.limit_bytes()
    points = sorted((point for point in (small, other) if point is not None), key=lambda point: point.batch)
    batch = _predicted(points, limit, most)
    below = max((point for point in points if point.needed_bytes <= limit), key=lambda point: point.batch, default=None)
    best = _search(memory, batch, below or _Point(0, 0), limit)
    if best is None and below is not None:
        best = _search(memory, below.batch, _Point(0, 0), limit)
    if best is None:
        return Largest(0, 0, limit, is_capped=False)
    return Largest(best.batch, best.needed_bytes, limit, is_capped=best.batch == most)


def _search(memory: Memory, batch: int, below: _Point, limit: int) -> _Point | None:
    """Return the largest batch that was tried and is safe, starting at `batch`; `below` is a smaller one that fits."""
    best: _Point | None = None
    above = batch + 1
    for _ in range(_MAX_TRIALS):
        if batch <= below.batch:
            return best
        tried = memory.tried_bytes(batch)
        if tried is not None and tried > limit:
            above = batch
            batch = min(_between(below, _Point(batch, tried), limit), above - max(1, above // _MIN_STEP))
            continue
        if tried is None:
            above = batch
        else:
            best = below = _Point(batch, tried)
        if best is not None and above - best.batch <= max(1, best.batch // _CLOSE):
            return best
        batch = (below.batch + above) // 2
    return best


def _first_fit(memory: Memory, batch: int, above: int) -> _Point | None:
    """Return the first that fits of a batch, its half, its quarter and so on, all above `above`; None if none fits."""
    while batch > above:
        needed = memory.needed_bytes(batch)
        if needed is not None:
            return _Point(batch, needed)
        batch //= 2
    return None


def _predicted(points: list[_Point], limit: int, most: int) -> int:
    """Return the batch at which the line through two points, or one point and the origin, reaches the limit."""
    (last, first) = (points[-1], points[0] if len(points) > 1 else _Point(0, 0))
    rise = last.needed_bytes - first.needed_bytes
    if rise <= 0:
        return most
    return max(0, min(most, last.batch + (limit - last.needed_bytes) * (last.batch - first.batch) // rise))


def _between(below: _Point, above: _Point, limit: int) -> int:
    """Return the batch at which the line from a point below the limit to one above it reaches the limit."""
    rise = above.needed_bytes - below.needed_bytes
    return below.batch + (limit - below.needed_bytes) * (above.batch - below.batch) // rise


class MeasuredMemory:
    """The memory of a GPU: measured in a new process for each batch."""

    def __init__(self, configuration: Configuration, on_phase: OnPhase) -> None:
        self._configuration = configuration
        self._on_phase = on_phase
        self._free_bytes = 0
        self._largest_run = 0

    def needed_bytes(self, batch: int) -> int | None:
        """Return the peak of three steps, None if they ran out of memory, or failed where a smaller batch ran.

        Libraries report in various ways that a batch is too large, for instance that an index exceeds 32 bits. Raises
        MeasurementError if the steps failed and no smaller batch ran.
        """
        answer = _try_batch(self._configuration, batch, self._on_phase)
        if isinstance(answer, Failure):
            if answer.status == "oom" or batch > self._largest_run > 0:
                return None
            raise MeasurementError(f"{self._configuration.model}: {answer.reason}")
        self._largest_run = max(self._largest_run, batch)
        self._free_bytes = int(answer["free_bytes"])
        return int(answer["peak_bytes"])

    tried_bytes = needed_bytes

    def limit_bytes(self) -> int:
        """Return 90% of the memory that was free when the last process started."""
        return int(SAFE_SHARE * self._free_bytes)


class PredictedMemory:
    """The memory of a CPU, where the peak is not reported and too large a process is killed: the peak is predicted.

    `predict` returns the predicted peak of a configuration; `free_bytes` is the free memory before it runs.
    """

    def __init__(
        self, configuration: Configuration, on_phase: OnPhase, predict: Callable[[Configuration], int], free_bytes: int
    ) -> None:
        self._configuration = configuration
        self._on_phase = on_phase
        self._predict = predict
        self._free_bytes = free_bytes

    def needed_bytes(self, batch: int) -> int:
        """Return the predicted peak."""
        return self._predict(replace(self._configuration, batch=batch))

    def tried_bytes(self, batch: int) -> int | None:
        """Return the predicted peak of a batch that ran, None if the system killed it.

        A batch that is predicted not to fit is not run. Raises MeasurementError if the steps failed.
        """
        needed = self.needed_bytes(batch)
        if needed > self.limit_bytes():
            return needed
        answer = _try_batch(self._configuration, batch, self._on_phase)
        if not isinstance(answer, Failure):
            return needed
        if answer.status == "oom" or answer.code == -signal.SIGKILL:
            return None
        raise MeasurementError(f"{self._configuration.model}: {answer.reason}")

    def limit_bytes(self) -> int:
        """Return 90% of the free memory."""
        return int(SAFE_SHARE * self._free_bytes)


def _try_batch(configuration: Configuration, batch: int, on_phase: OnPhase) -> dict[str, Any] | Failure:
    return run_request(Request("memory", replace(configuration, batch=batch)), on_phase)


def largest_batch_here(configuration: Configuration, on_phase: OnPhase) -> Largest:
    """Return the largest safe batch of a configuration on this machine. Raises MeasurementError if its steps fail."""
    kind = configuration.kind
    if kind == "cuda":
        return find_largest(MeasuredMemory(configuration, on_phase), MAX_BATCH[kind])
    from archbench.host.environment import environment
    from archbench.measure.bench.expectation import expect

    free_bytes = environment(kind)["memory_free_bytes"]
    if free_bytes is None:
        raise MeasurementError("this system does not report how much memory is free")
    memory = PredictedMemory(configuration, on_phase, lambda batch: expect(batch).needed_bytes, free_bytes)
    return find_largest(memory, MAX_BATCH[kind])


def rounded_batch(batch: int) -> int:
    """Return a batch with all but its five leading binary digits zero, which is at most a sixteenth less.

    Free memory differs a little from run to run; the batch should not.
    """
    dropped = max(0, batch.bit_length() - 5)
    return batch >> dropped << dropped


def describe_largest(largest: Largest, kind: Kind) -> str:
    """Return in words what the largest batch is and what it takes."""
    limit = format_bytes(largest.limit_bytes)
    if largest.batch == 0:
        return f"not even one sample is safe with {limit}"
    taken = f"{format_integer(largest.batch)} take {format_bytes(largest.needed_bytes)} of {limit}"
    how = f"the largest that is tried on a {kind}" if largest.is_capped else "the largest that is safe, rounded down"
    return f"{how} ({taken})"
