"""Read numbers from the device a step later, so that no step waits for the device before its update is launched."""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor

# While the host waits for one step, a GPU has the next to work on.
_LAG = {"cuda": 1}


class Readback:
    """Vectors of numbers on their way from the device: on a GPU the last is still pending when the others are read.

    The lag is fixed, so that processes that train together read the same step at the same time.
    """

    def __init__(self, device: str) -> None:
        self._lag = _LAG.get(device, 0)
        self._pending: deque[tuple[Tensor, torch.Event | None]] = deque()

    def add(self, values: Tensor) -> None:
        """Start to copy a vector to the host."""
        if values.device.type != "cuda":
            self._pending.append((values, None))
            return
        copy = torch.empty_like(values, device="cpu", pin_memory=True).copy_(values, non_blocking=True)
        event = torch.Event("cuda")
        event.record()
        self._pending.append((copy, event))

    def read(self, *, all: bool = False) -> list[list[float]]:
        """Return the vectors that are due, or all, in the order in which they were added."""
        due = len(self._pending) if all else len(self._pending) - self._lag
        return [self._next() for _ in range(due)]

    def _next(self) -> list[float]:
        values, event = self._pending.popleft()
        if event is not None:
            event.synchronize()
        numbers: list[float] = values.tolist()
        return numbers
