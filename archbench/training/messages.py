"""Lines of text about a training in progress."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from archbench.models.address import user_code_of
from archbench.training.records import Epoch, Outcome
from archbench.units import format_measure, format_percent, format_time

_ORIGINS = {"torch": "the constructor's", "paper": "drawn anew as in the paper"}


def report_user_code(run: Path, models: Iterable[str]) -> None:
    """Log which files the models of a run folder execute; as a warning if a file lies in the folder itself."""
    for code in dict.fromkeys(filter(None, map(user_code_of, models))):
        is_within = code.endswith(".py") and Path(code).resolve().is_relative_to(run.resolve())
        level = logging.WARNING if is_within else logging.INFO
        logging.getLogger("archbench").log(level, "running '%s', which the run in '%s' names as its model", code, run)


def expected_time(seconds: Mapping[str, float], seeds: int) -> str:
    """Return the expected duration in total and per model; `seconds` are those of one seed of each model."""
    each = ", ".join(f"{model} {format_time(seeds * value)}" for model, value in seconds.items())
    total = format_time(seeds * sum(seconds.values()))
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


def outcome_line(outcome: Outcome) -> str:
    """Return how the training of one model with one seed ended, as a line."""
    top1 = "" if outcome.top1 is None else f", test {format_percent(outcome.top1)}"
    reason = f": {outcome.reason}" if outcome.reason else ""
    return f"{outcome.model}, seed {outcome.seed}: {outcome.status}{top1}{reason}"
