"""How large the steps are as training goes on."""

from __future__ import annotations

from math import cos, pi
from typing import Any

from archbench.training.recipes import Recipe

# torch's ReduceLROnPlateau waits 10 epochs, a short training has no time for: three without a better loss are enough.
PATIENCE = 3
_FACTOR = 0.1
# A loss that is better by less is not better.
_LEAST_GAIN = 1e-4


class Schedule:
    """The learning rate of each step of so many; for `plateau` it also follows the validation losses it is told."""

    def __init__(self, recipe: Recipe, steps: int) -> None:
        self._recipe = recipe
        self._steps = steps
        self._factor = 1.0
        self._best = float("inf")
        self._waited = 0

    def rate(self, step: int) -> float:
        """Return the rate of a step, the first of which is 0: it never is 0 before the last step is over."""
        peak = self._recipe.learning_rate * self._factor
        warm_up = round(self._recipe.warm_up * self._steps)
        if step < warm_up:
            return peak * (step + 1) / warm_up
        if self._recipe.schedule != "cosine":
            return peak
        done = (step - warm_up) / max(1, self._steps - warm_up)
        return peak * (1 + cos(pi * done)) / 2

    def after_epoch(self, validation_loss: float) -> None:
        """Take note of a loss; divide the rate by 10 after three epochs without a better one, if the recipe does so."""
        if self._recipe.schedule != "plateau":
            return
        if validation_loss < self._best * (1 - _LEAST_GAIN):
            self._best, self._waited = validation_loss, 0
            return
        self._waited += 1
        if self._waited >= PATIENCE:
            self._factor *= _FACTOR
            self._waited = 0

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"factor": self._factor, "best": self._best, "waited": self._waited}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self._factor, self._best, self._waited = state["factor"], state["best"], state["waited"]
