"""Time the steps of a training."""

from __future__ import annotations

from typing import Any

# The first steps after a start compile, allocate and choose algorithms: they are not timed.
UNTIMED_STEPS = 3


class StepClock:
    """The time of the steps, excluding the first ones after each start."""

    def __init__(self, batch: int) -> None:
        self.elapsed_s = 0.0
        self._batch = batch
        self._untimed = UNTIMED_STEPS
        self._epoch_s = 0.0
        self._epoch_steps = 0

    @property
    def images_per_s(self) -> float | None:
        """The rate over the timed steps of this epoch, None before the first."""
        return self._epoch_steps * self._batch / self._epoch_s if self._epoch_s > 0 else None

    @property
    def is_untimed(self) -> bool:
        """Whether the next step is one of the first, which are not timed."""
        return self._untimed > 0

    def add(self, step_s: float) -> None:
        """Add a step."""
        if self._untimed:
            self._untimed -= 1
            return
        self.elapsed_s += step_s
        self._epoch_s += step_s
        self._epoch_steps += 1

    def wait(self, wait_s: float) -> None:
        """Add time in which no step began."""
        if not self._untimed and self._epoch_steps:
            self.elapsed_s += wait_s
            self._epoch_s += wait_s

    def begin_epoch(self) -> None:
        """Reset the rate."""
        self._epoch_s, self._epoch_steps = 0.0, 0

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {"elapsed_s": self.elapsed_s, "epoch_s": self._epoch_s, "epoch_steps": self._epoch_steps}

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        self.elapsed_s = state["elapsed_s"]
        self._epoch_s, self._epoch_steps = state["epoch_s"], state["epoch_steps"]
