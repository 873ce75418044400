"""Lines of text about a training in progress."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from archbench.models.address import user_code_of
from archbench.training.config import AUTO, TrainConfig
from archbench.training.learning_rate import RateSearch, Trial, grid
from archbench.training.recipes import find_recipe
from archbench.training.records import Epoch, Outcome
from archbench.training.run_dir.run_json import learning_rates
from archbench.training.time_estimate import ExpectedTime
from archbench.units import format_measure, format_percent, format_time

_ORIGINS = {"torch": "the constructor's", "paper": "drawn anew as in the paper"}


def report_user_code(run: Path, models: Iterable[str]) -> None:
    """Log which files the models of a run folder execute; as a warning if a file lies in the folder itself."""
    for code in dict.fromkeys(filter(None, map(user_code_of, models))):
        is_within = code.endswith(".py") and Path(code).resolve().is_relative_to(run.resolve())
        level = logging.WARNING if is_within else logging.INFO
        logging.getLogger("archbench").log(level, "running '%s', which the run in '%s' names as its model", code, run)


def expected_time(times: Mapping[str, ExpectedTime], seeds: int) -> str:
    """Return the expected duration in total and per model, with the search for learning rates."""
    each = ", ".join(f"{model} {format_time(expected.total_s(seeds))}" for model, expected in times.items())
    total = format_time(sum(expected.total_s(seeds) for expected in times.values()))
    return f"about {total} in all, {seeds} seed{'' if seeds == 1 else 's'} each: {each}"


def initial_weights(schemes: Mapping[str, str]) -> str:
    """Return where the weights of each model start; `schemes` are initialisations by model."""
    models: defaultdict[str, list[str]] = defaultdict(list)
    for model, scheme in schemes.items():
        models[scheme].append(model)
    parts = [
        f"{_ORIGINS.get(scheme, f'drawn anew by {scheme}')} for {', '.join(names)}" for scheme, names in models.items()
    ]
    return f"initial weights: {'; '.join(parts)}"


def rates_to_try(config: TrainConfig) -> str:
    """Return the learning rate of the models, or those that a search tries first."""
    models: defaultdict[str, list[str]] = defaultdict(list)
    for model in config.models:
        recipe = config.recipe_of(model)
        rates = grid(recipe) if config.learning_rate == AUTO else (recipe.learning_rate,)
        models[", ".join(f"{rate:g}" for rate in rates)].append(model)
    if len(models) == 1:
        (text,) = models
    else:
        text = "; ".join(f"{rates} for {', '.join(names)}" for rates, names in models.items())
    if config.learning_rate == AUTO:
        return f"learning rates: of {text}, for each model the best on validation images after a tenth of its steps"
    return f"learning rate: {text}"


def protocol(record: Mapping[str, Any]) -> str:
    """Return how the learning rates of a run were set, as a phrase; `record` is the content of its `run.json`."""
    plan = record["plan"]
    rate = plan.get("learning_rate")
    if rate == AUTO:
        tried = {trial.rate for search in learning_rates(record).values() for trial in search.trials}
        rates = ", ".join(f"{rate:g}" for rate in sorted(tried))
        return f"with a learning rate chosen for each model from {rates} on validation images"
    if rate is None and plan["recipe"] == "paper":
        return "with the learning rate of each model's paper"
    return f"with learning rate {rate or find_recipe(plan['recipe'], '').learning_rate} for all"


def step_line(loss: float, images_per_s: float | None, validation_top1: float | None = None) -> str:
    """Return the figures of a step; None is left out."""
    rate = "" if images_per_s is None else f", {format_measure(images_per_s)} images/s"
    validation = "" if validation_top1 is None else f", validation {format_percent(validation_top1)}"
    return f"loss {loss:.3f}{rate}{validation}"


def skipped_note(skipped: int, steps: int) -> tuple[str, ...]:
    """Return a note on steps that did not update the parameters, if there are any."""
    if not skipped:
        return ()
    return (f"gradients overflowed in float16 in {skipped} of {steps} steps, which were skipped",)


def epoch_line(row: Epoch) -> str:
    """Return a row of `metrics.csv` as a line."""
    figures = step_line(row.train_loss, row.images_per_s, row.validation_top1)
    return f"{row.model}, seed {row.seed}, epoch {row.epoch}: {figures}"


def outcome_line(outcome: Outcome | RateSearch) -> str:
    """Return how the training of one model with one seed ended, or the search for its learning rate, as a line."""
    if isinstance(outcome, RateSearch):
        trials = ", ".join(f"{trial.rate:g} {_trial_figure(trial)}" for trial in outcome.trials)
        return f"{outcome.model}: learning rate {outcome.rate:g} (validation accuracy: {trials})"
    top1 = "" if outcome.top1 is None else f", test {format_percent(outcome.top1)}"
    reason = f": {outcome.reason}" if outcome.reason else ""
    return f"{outcome.model}, seed {outcome.seed}: {outcome.status}{top1}{reason}"


def _trial_figure(trial: Trial) -> str:
    return trial.status if trial.validation_top1 is None else format_percent(trial.validation_top1)
