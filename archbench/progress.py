"""The progress protocol of everything that takes long: sweeps of measurements and trainings."""

from __future__ import annotations

from typing import Any


class Progress:
    """Receives progress updates; every method does nothing until it is overridden.

    A run has several tasks (configurations, or trainings of one model with one seed); a task may have steps.
    """

    def start(self, total: int, done: int = 0) -> None:
        """Begin a run of `total` tasks, of which `done` were finished by an earlier run."""

    def begin(self, task: str, steps: int | None = None, done: int = 0) -> None:
        """Begin a task of `steps` steps, if it has any, of which `done` were made before."""

    def update(self, text: str = "", step: int | None = None) -> None:
        """Report the phase or the figures of the task, or the number of steps made."""

    def note(self, text: str) -> None:
        """Report something about the task that belongs beside its result."""

    def end(self, result: Any) -> None:
        """End the task with its result, whether computed now or kept from an earlier run."""
