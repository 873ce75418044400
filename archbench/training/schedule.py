"""Steps per epoch, and the learning rate of each step."""

from __future__ import annotations

from math import cos, pi
from typing import Any

from archbench.training.recipes import Recipe

# torch's ReduceLROnPlateau waits 10 epochs; a short training has too few, so 3 without a smaller loss are enough.
PATIENCE = 3
_FACTOR = 0.1
# The fractions of the steps after which `milestones` divides the rate: 32 and 48 of 64 thousand (He et al. 2015).
_MILESTONES = (0.5, 0.75)
# What `exponential` does to the rate: 4% less every 8 epochs (Szegedy et al. 2014, section 6).
_DECAY, _DECAY_EPOCHS = 0.96, 8
# A smaller relative decrease of the loss does not count as one.
_LEAST_DECREASE = 1e-4


def steps_per_epoch(num_images: int, batch: int) -> int:
    """Return the number of full batches, at least 1; each epoch leaves out other images where some are left over."""
    return max(1, num_images // batch)


class Schedule:
    """The learning rate of each of a number of steps.

    `plateau` also depends on the validation losses so far, `exponential` on their number.
    """

    def __init__(self, recipe: Recipe, steps: int) -> None:
        self._recipe = recipe
        self._steps = steps
        self._factor = 1.0
        self._best = float("inf")
        self._waited = 0

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0; it is above 0 for every step."""
        peak = self._recipe.learning_rate * self._factor
        warm_up = self._recipe.warm_up_steps(self._steps)
        if step < warm_up:
            return peak * (step + 1) / warm_up
        if self._recipe.schedule == "milestones":
            passed = sum(step >= fraction * self._steps for fraction in _MILESTONES)
            return peak * _FACTOR**passed
        if self._recipe.schedule != "cosine":
            return peak
        done = (step - warm_up) / max(1, self._steps - warm_up)
        return peak * (1 + cos(pi * done)) / 2

    def after_epoch(self, validation_loss: float) -> None:
        """Record a validation loss.

        `plateau` divides the rate by 10 after three epochs without a smaller one, `exponential` decays it every eight.
        """
        if self._recipe.schedule == "plateau" and validation_loss < self._best * (1 - _LEAST_DECREASE):
            self._best, self._waited = validation_loss, 0
        elif self._recipe.schedule == "plateau":
            self._wait(PATIENCE, _FACTOR)
        elif self._recipe.schedule == "exponential":
            self._wait(_DECAY_EPOCHS, _DECAY)

    def _wait(self, epochs: int, factor: float) -> None:
        """Count an epoch, and multiply the rate by `factor` once there are that many."""
        self._waited += 1
        if self._waited >= epochs:
            self._factor *= factor
            self._waited = 0

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {"factor": self._factor, "best": self._best, "waited": self._waited}

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        self._factor, self._best, self._waited = state["factor"], state["best"], state["waited"]
