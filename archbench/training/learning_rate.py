"""Choose a learning rate by the validation accuracy of short trainings, from a grid that is the same for all models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from archbench.errors import UsageError
from archbench.store.accuracy import Status
from archbench.training.config import AUTO, TrainConfig
from archbench.training.recipes import Recipe
from archbench.training.records import Outcome

# Each rate is tried for this share of a model's steps.
_SHARE = 0.1
# About half a decade apart; of the last two, one is tried: the step beyond the end of the grid that wins.
_GRID = (1.0, 3.0, 10.0)
_BELOW, _ABOVE = 0.3, 30.0
MOST_TRIALS = len(_GRID) + 1


@dataclass(frozen=True, slots=True)
class Trial:
    """A short training with one learning rate: `validation_top1`, a fraction, at its end; None if it did not end.

    `time_s` is the time of its training steps.
    """

    rate: float
    validation_top1: float | None
    status: Status
    time_s: float


@dataclass(frozen=True, slots=True)
class RateSearch:
    """The learning rate chosen for a model, and the trials that decided it, by rate."""

    model: str
    rate: float
    trials: tuple[Trial, ...]

    @property
    def time_s(self) -> float:
        """The time of the training steps of all trials."""
        return sum(trial.time_s for trial in self.trials)

    def to_record(self) -> dict[str, Any]:
        """Return the choice for `run.json`."""
        return {"rate": self.rate, "trials": [asdict(trial) for trial in self.trials]}


def search_from_record(model: str, record: Mapping[str, Any]) -> RateSearch:
    """Return what `RateSearch.to_record` returned, read back from JSON."""
    return RateSearch(model, record["rate"], tuple(Trial(**trial) for trial in record["trials"]))


def asked_rate(lr: float | str | None, recipe: str, num_models: int) -> float | Literal["auto"] | None:
    """Return the configured learning rate for an argument `lr`; None is the recipe's.

    By default, a comparison with the equal recipe searches one for each model; the other recipes have their own.
    Raises UsageError for anything but a finite number above 0 and `auto`.
    """
    if lr is None:
        return AUTO if recipe == "equal" and num_models > 1 else None
    if lr == AUTO:
        return AUTO
    if isinstance(lr, str | bool) or not 0 < lr < float("inf"):
        raise UsageError("{lr} is not a learning rate; give a number above 0, such as 0.01, or auto", lr=lr)
    return float(lr)


def grid(recipe: Recipe) -> tuple[float, ...]:
    """Return the rates that are tried first: the recipe's, and about half a decade and a decade above it."""
    return tuple(_rounded(recipe.learning_rate * factor) for factor in _GRID)


def next_rate(recipe: Recipe, trials: Sequence[Trial]) -> float | None:
    """Return the rate to try after these trials: of the grid, then one beyond its end that wins; None at the end."""
    rates = grid(recipe)
    if len(trials) < len(rates):
        return rates[len(trials)]
    if len(trials) == MOST_TRIALS:
        return None
    beyond = {rates[0]: _BELOW, rates[-1]: _ABOVE}.get(best_rate(trials))
    return None if beyond is None else _rounded(recipe.learning_rate * beyond)


def best_rate(trials: Sequence[Trial]) -> float:
    """Return the rate with the highest validation accuracy, the smallest of equals; without one a rate loses."""
    return min(trials, key=lambda trial: (-_top1(trial), trial.rate)).rate


def search_steps(config: TrainConfig, model: str, num_images: int) -> int:
    """Return the number of steps of a trial, given the number of training images."""
    return max(1, round(_SHARE * config.steps_of(model, num_images)))


def trial_of(rate: float, outcome: Outcome) -> Trial:
    """Return the trial that a short training was."""
    top1 = outcome.epochs[-1].validation_top1 if outcome.epochs and outcome.status == "ok" else None
    return Trial(rate, top1, outcome.status, outcome.time_s)


def _top1(trial: Trial) -> float:
    return -1.0 if trial.validation_top1 is None else trial.validation_top1


def _rounded(rate: float) -> float:
    """Return a rate as people write it: 0.03, where the product is 0.030000000000000002."""
    return float(f"{rate:.6g}")
