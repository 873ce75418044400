"""The largest batch that is safe: memory at two sizes, a line through them, and what it predicts at 90% of free memory.

The line may be wrong, for workspaces come and go with the size: three steps of the predicted batch are run, in a fresh
process, before anything is said of it.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from archbench.errors import MeasurementError
from archbench.measure.worker.client import Ended, Progress, ask
from archbench.measure.worker.request import Request

SAFE_SHARE = 0.9
# More is of no use to throughput; on a CPU, where a batch of a large network takes minutes, much less.
MOST = {"cuda": 2**16, "cpu": 2**8, "mps": 2**10}
_SMALL, _LARGE = 8, 64
# Each is a process that starts, and for one that takes too much the next is to be less by more than noise.
_MOST_TRIALS = 10
_LEAST_STEP = 32
_CLOSE = 8


class Memory(Protocol):
    """A device whose memory batches are to fit in. Both methods return None for a batch that does not fit."""

    def needed_bytes(self, batch: int) -> int | None:
        """Return what a batch takes: measured, or predicted where nothing tells."""

    def tried_bytes(self, batch: int) -> int | None:
        """Run three steps in a fresh process and return what the batch took, or takes by the prediction."""

    def limit_bytes(self) -> int:
        """Return what a batch may take."""


@dataclass(frozen=True, slots=True)
class Largest:
    """A batch that was tried and fits, 0 if not even one sample does; `is_capped` says that more may fit."""

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

    The first that is tried is where the line reaches the limit, and it is what is sought if it fits. After one that
    takes more than it may, the line to it says what is next; after one that does not fit, and so tells nothing, what is
    sought is narrowed down from both sides, to an eighth.
    """
    small = _that_fits(memory, min(_SMALL, most), 0)
    if small is None:
        return Largest(0, 0, memory.limit_bytes(), is_capped=False)
    # Where nothing larger fits, something smaller is the other end of the line.
    other = _that_fits(memory, min(_LARGE, most), small.batch) or _that_fits(memory, small.batch // 2, 0)
    limit = memory.limit_bytes()
    points = sorted((point for point in (small, other) if point is not None), key=lambda point: point.batch)
    batch = _predicted(points, limit, most)
    below = max((point for point in points if point.needed_bytes <= limit), key=lambda point: point.batch, default=None)
    best = _tried(memory, batch, below or _Point(0, 0), limit)
    if best is None and below is not None:
        best = _tried(memory, below.batch, _Point(0, 0), limit)
    if best is None:
        return Largest(0, 0, limit, is_capped=False)
    return Largest(best.batch, best.needed_bytes, limit, is_capped=best.batch == most)


def _tried(memory: Memory, batch: int, below: _Point, limit: int) -> _Point | None:
    """Return the largest batch that was tried and is safe, beginning with one; `below` is a smaller one that may be."""
    best: _Point | None = None
    above = batch + 1
    for _ in range(_MOST_TRIALS):
        if batch <= below.batch:
            return best
        tried = memory.tried_bytes(batch)
        if tried is not None and tried > limit:
            above = batch
            batch = min(_between(below, _Point(batch, tried), limit), above - max(1, above // _LEAST_STEP))
            continue
        if tried is None:
            above = batch
        else:
            best = below = _Point(batch, tried)
        if best is not None and above - best.batch <= max(1, best.batch // _CLOSE):
            return best
        batch = (below.batch + above) // 2
    return best


def _that_fits(memory: Memory, batch: int, above: int) -> _Point | None:
    """Return the first of a batch, half of it and so on that fits, None if none above the least does."""
    while batch > above:
        needed = memory.needed_bytes(batch)
        if needed is not None:
            return _Point(batch, needed)
        batch //= 2
    return None


def _predicted(points: list[_Point], limit: int, most: int) -> int:
    """Return the batch at which the line through two points reaches the limit, or through one and the origin."""
    (last, first) = (points[-1], points[0] if len(points) > 1 else _Point(0, 0))
    rise = last.needed_bytes - first.needed_bytes
    if rise <= 0:
        return most
    return max(0, min(most, last.batch + (limit - last.needed_bytes) * (last.batch - first.batch) // rise))


def _between(below: _Point, above: _Point, limit: int) -> int:
    """Return the batch at which the line from one that takes at most the limit to one that takes more reaches it."""
    rise = above.needed_bytes - below.needed_bytes
    return below.batch + (limit - below.needed_bytes) * (above.batch - below.batch) // rise


class MeasuredMemory:
    """A GPU's: what the steps of a batch take from the device is measured, each batch in a process of its own."""

    def __init__(self, request: Request, on_progress: Progress) -> None:
        self._request = replace(request, task="memory", processes=1)
        self._on_progress = on_progress
        self._free_bytes = 0
        self._most_run = 0

    def needed_bytes(self, batch: int) -> int | None:
        """Return what three steps took, None if they ran out of memory, or failed where those of a smaller batch ran.

        Libraries say in many words that a batch is too large for them: that an index has more than 32 bits, say.
        Raises MeasurementError if steps failed and none of a smaller batch ran.
        """
        said = ask(replace(self._request, batch=batch), self._on_progress)
        if isinstance(said, Ended):
            if said.status == "oom" or batch > self._most_run > 0:
                return None
            raise MeasurementError(f"{self._request.model}: {said.reason}")
        self._most_run = max(self._most_run, batch)
        self._free_bytes = int(said["free_bytes"])
        return int(said["peak_bytes"])

    tried_bytes = needed_bytes

    def limit_bytes(self) -> int:
        """Return 90% of what was free when the last process began."""
        return int(SAFE_SHARE * self._free_bytes)


class PredictedMemory:
    """A CPU's, where nothing tells what steps take and what is too much is killed: the peak is predicted.

    `predict` returns the predicted peak of a request; `free_bytes` is what is free before.
    """

    def __init__(
        self, request: Request, on_progress: Progress, predict: Callable[[Request], int], free_bytes: int
    ) -> None:
        self._request = replace(request, task="memory", processes=1)
        self._on_progress = on_progress
        self._predict = predict
        self._free_bytes = free_bytes

    def needed_bytes(self, batch: int) -> int:
        """Return the predicted peak."""
        return self._predict(replace(self._request, batch=batch))

    def tried_bytes(self, batch: int) -> int | None:
        """Return the predicted peak of a batch that ran, None if the system killed it.

        One that is predicted not to fit is not run. Raises MeasurementError if the steps failed.
        """
        needed = self.needed_bytes(batch)
        if needed > self.limit_bytes():
            return needed
        said = ask(replace(self._request, batch=batch), self._on_progress)
        if not isinstance(said, Ended):
            return needed
        if said.status == "oom" or said.code == -signal.SIGKILL:
            return None
        raise MeasurementError(f"{self._request.model}: {said.reason}")

    def limit_bytes(self) -> int:
        """Return 90% of what is free."""
        return int(SAFE_SHARE * self._free_bytes)


def largest_here(request: Request, on_progress: Progress) -> Largest:
    """Return the largest safe batch of a request on this machine. Raises MeasurementError if its steps fail."""
    if request.kind == "cuda":
        return find_largest(MeasuredMemory(request, on_progress), MOST["cuda"])
    from archbench.host.environment import environment
    from archbench.measure.bench.expectation import foresee

    free = environment(request.kind)["memory_free_bytes"]
    if free is None:
        raise MeasurementError("this system does not tell how much memory is free")
    memory = PredictedMemory(request, on_progress, lambda batch: foresee(batch).needed_bytes, free)
    return find_largest(memory, MOST[request.kind])
