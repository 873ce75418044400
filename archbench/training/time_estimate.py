"""Estimate the duration of a training from a few steps of a model that is then discarded."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace

from archbench.training.config import AUTO, TrainConfig
from archbench.training.data.records import Data
from archbench.training.distributed.process_group import ProcessGroup
from archbench.training.learner import Learner, NonFiniteError
from archbench.training.learning_rate import MOST_TRIALS, search_steps
from archbench.training.schedule import steps_per_epoch
from archbench.training.task import Task, build_model

# Steps at least this long are extrapolated to larger batches.
_LEAST_STEP_S = 0.2
_FIRST_BATCH = 4
_GROWTH = 4
_TRIALS = 3
# Forward alone compared with forward, backward and update: a third of the arithmetic.
_EVALUATION_SHARE = 1 / 3


@dataclass(frozen=True, slots=True)
class ExpectedTime:
    """The expected seconds of one training of a model, and of the search for its learning rate before all of them."""

    seed_s: float
    search_s: float

    def total_s(self, seeds: int) -> float:
        """Return the time of the search and of a training with each seed."""
        return self.search_s + seeds * self.seed_s


def step_time_s(config: TrainConfig, model: str, data: Data) -> float:
    """Return the approximate duration of a step, extrapolated from smaller batches if these take long enough.

    A part of a step, such as the update, takes as long for any batch; the rest is proportional to it: two points give
    both. Raises what the model raises.
    """
    batch = config.batch_of(model)
    small = min(_FIRST_BATCH, batch)
    small_s = _fastest_step_s(config, model, data, small)
    while small < batch:
        large = min(_GROWTH * small, batch)
        large_s = _fastest_step_s(config, model, data, large)
        if large_s >= _LEAST_STEP_S:
            image_s = max(0.0, (large_s - small_s) / (large - small))
            return large_s + (batch - large) * image_s
        small, small_s = large, large_s
    return small_s


def expected_time(config: TrainConfig, model: str, data: Data, step_s: float) -> ExpectedTime:
    """Return the approximate time of a model with one seed, and of the search for its learning rate if there is one."""
    seed_s = training_time_s(config, model, data, step_s)
    if config.learning_rate != AUTO:
        return ExpectedTime(seed_s, 0.0)
    trial = replace(config, steps=search_steps(config, model, len(data.train)), epochs=None)
    test_s = len(data.test) * _evaluation_s(trial, model, step_s)
    return ExpectedTime(seed_s, MOST_TRIALS * (training_time_s(trial, model, data, step_s) - test_s))


def training_time_s(config: TrainConfig, model: str, data: Data, step_s: float) -> float:
    """Return the approximate duration of one training: all steps, and the evaluation of validation and test images."""
    batch = config.batch_of(model)
    steps = config.steps_of(model, len(data.train))
    epochs = -(-steps // steps_per_epoch(len(data.train), batch))
    evaluated = epochs * len(data.validation) + len(data.test)
    return steps * step_s + evaluated * _evaluation_s(config, model, step_s)


def steps_within(config: TrainConfig, data: Data, step_s: dict[str, float], limit_s: float) -> int:
    """Return the largest number of steps, at least 1, that all models and seeds together take within a time limit."""

    def total_s(steps: int) -> float:
        candidate = replace(config, steps=steps, epochs=None)
        times = (expected_time(candidate, model, data, duration) for model, duration in step_s.items())
        return sum(each.total_s(len(config.seeds)) for each in times)

    low, high = 1, 2
    while total_s(high) <= limit_s:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if total_s(middle) <= limit_s else (low, middle)
    return low


def _evaluation_s(config: TrainConfig, model: str, step_s: float) -> float:
    """Return the time of the evaluation of one image."""
    return step_s / config.batch_of(model) * _EVALUATION_SHARE


def _fastest_step_s(config: TrainConfig, model: str, data: Data, batch: int) -> float:
    trial = replace(config, batch=batch, compiled=False, recipe="equal")
    adapted = build_model(trial, model, 0, data.shape, data.num_classes)
    learner = Task(trial, model, 0, data, adapted, ProcessGroup()).learner()
    _step(learner)
    times = []
    for _ in range(_TRIALS):
        start = time.perf_counter()
        _step(learner)
        times.append(time.perf_counter() - start)
    return min(times)


def _step(learner: Learner) -> None:
    """Make a step and wait for it; that it diverges is reported by the training itself."""
    with suppress(NonFiniteError):
        learner.advance()
        learner.settle()
