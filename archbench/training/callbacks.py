"""Who is told how a training goes on: the command line shows it live, tests and other processes of one model do not."""

from __future__ import annotations

from archbench.training.run_dir.records import Epoch, Outcome


class Watch:
    """Told of everything, does nothing: to be overridden."""

    def begin(self, model: str, seed: int, steps: int, done: int) -> None:
        """A model begins, or goes on, with a seed: so many steps in all, so many done before."""

    def step(self, step: int, loss: float, images_per_s: float | None) -> None:
        """A step was made; the rate is that of this epoch's steps so far."""

    def epoch(self, row: Epoch) -> None:
        """An epoch is over."""

    def note(self, text: str) -> None:
        """Something must be said."""

    def end(self, outcome: Outcome) -> None:
        """A model has ended with a seed."""
