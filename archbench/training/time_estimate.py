"""How long a training will take: a few steps of a model that is then thrown away."""

from __future__ import annotations

import time
from dataclasses import replace

from archbench.training.config import Plan
from archbench.training.data.records import Data
from archbench.training.distributed.process_group import World
from archbench.training.task import Setting, build

# Steps this long say how long those of larger batches take, too.
_LONG_S = 0.2
_FIRST_BATCH = 4
_GROWTH = 4
_TRIALS = 3
# Forward alone against forward, backward and update: a third of the arithmetic.
_EVALUATION_SHARE = 1 / 3


def step_time_s(plan: Plan, model: str, data: Data) -> float:
    """Return about how many seconds a step takes, from steps of two smaller batches where those take long enough.

    A part of a step, such as the update, takes as long for any batch; the rest grows with it: two points give both.
    Raises what the model raises.
    """
    batch = plan.batch_of(model)
    small = min(_FIRST_BATCH, batch)
    small_s = _quickest_step_s(plan, model, data, small)
    while small < batch:
        large = min(_GROWTH * small, batch)
        large_s = _quickest_step_s(plan, model, data, large)
        if large_s >= _LONG_S:
            each_s = max(0.0, (large_s - small_s) / (large - small))
            return large_s + (batch - large) * each_s
        small, small_s = large, large_s
    return small_s


def training_time_s(plan: Plan, model: str, data: Data, step_s: float) -> float:
    """Return about how many seconds one model takes with one seed: all steps, validation and test images."""
    steps = plan.steps_of(model, len(data.train))
    epochs = -(-steps // plan.steps_per_epoch(model, len(data.train)))
    evaluated = epochs * len(data.validation) + len(data.test)
    return steps * step_s + evaluated * step_s / plan.batch_of(model) * _EVALUATION_SHARE


def steps_within(plan: Plan, data: Data, step_s: dict[str, float], limit_s: float) -> int:
    """Return how many steps every model and seed can take in so many seconds together, at least 1."""

    def total_s(steps: int) -> float:
        tried = replace(plan, steps=steps, epochs=None)
        return len(plan.seeds) * sum(training_time_s(tried, model, data, each) for model, each in step_s.items())

    low, high = 1, 2
    while total_s(high) <= limit_s:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if total_s(middle) <= limit_s else (low, middle)
    return low


def _quickest_step_s(plan: Plan, model: str, data: Data, batch: int) -> float:
    tried = replace(plan, batch=batch, compiled=False, recipe="equal")
    adapted = build(tried, model, 0, data.shape, data.num_classes)
    learner = Setting(tried, model, 0, data, adapted, World()).learner()
    learner.advance()
    times = []
    for _ in range(_TRIALS):
        start = time.perf_counter()
        learner.advance()  # returns the loss, and so waits for the device
        times.append(time.perf_counter() - start)
    return min(times)
