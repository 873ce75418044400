"""One model trained with one seed, from the first step, or from where it was left, to its test accuracy."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from archbench.errors import UsageError
from archbench.training.callbacks import Watch
from archbench.training.clock import StepClock
from archbench.training.config import differences, source_digest
from archbench.training.data.batches import Batches
from archbench.training.evaluation import Evaluation, evaluate
from archbench.training.learner import NonFiniteError
from archbench.training.run_dir import checkpoints
from archbench.training.run_dir.records import Epoch, Outcome, Prediction, Status
from archbench.training.seeding import random_states, restore, seed_all
from archbench.training.statistics import accuracy_interval, chance_accuracy, chance_loss, outcome_of
from archbench.training.task import Setting


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a training needs besides its plan: where to save and how often, who looks on, and who stops it."""

    folder: Path
    checkpoint_s: float
    watch: Watch
    is_asked_to_stop: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Trained:
    """What one training came to: every test image's prediction is there only if it ended."""

    outcome: Outcome
    predictions: tuple[Prediction, ...]
    model: nn.Module


class Training:
    """One training on its way. Its model was initialised after `seed_all`, and nothing random was drawn since."""

    def __init__(self, setting: Setting, around: Circumstances) -> None:
        self._setting, self._around = setting, around
        self._model, self._seed = setting.model, setting.seed
        self._learner = setting.learner()
        self._validation = setting.batches(setting.data.validation)
        self._steps = setting.plan.steps_of(setting.model, len(setting.data.train))
        self._steps_per_epoch = setting.plan.steps_per_epoch(setting.model, len(setting.data.train))
        self._history: list[Epoch] = []
        self._losses: list[float] = []
        self._clock = StepClock(setting.plan.batch_of(setting.model))
        self._notes = list(setting.adapted.notes)
        self._spread: float | None = None
        self._saved_at = time.monotonic()

    def run(self) -> Trained | None:
        """Train to the end and return what came of it; None if it was asked to stop, and has saved where it is.

        Raises NonFiniteError, with the last good checkpoint kept, UsageError for a checkpoint of something else,
        OutputError where a checkpoint cannot be written.
        """
        if self._setting.plan.kind == "cuda":
            torch.cuda.reset_peak_memory_stats()
        if not self._resume():
            self._spread = self._initial_spread()
        if not self._setting.world.is_first:  # what is dropped is to differ between processes
            seed_all(self._seed + self._learner.step, self._setting.world.rank)
        self._around.watch.begin(self._model, self._seed, self._steps, self._learner.step)
        while self._learner.step < self._steps:
            try:
                self._advance()
            except NonFiniteError:
                self._save()  # the step was not made
                raise
            if self._is_epoch_over():
                self._end_epoch()
            if self._setting.world.any(self._around.is_asked_to_stop()):
                self._save()
                return None
            if time.monotonic() - self._saved_at >= self._around.checkpoint_s:
                self._save()
        return self._tested()

    @property
    def history(self) -> Sequence[Epoch]:
        """The rows of `metrics.csv` so far."""
        return self._history

    def outcome(self, status: Status, reason: str, test: Evaluation | None = None) -> Outcome:
        """Return how it ended, or stands."""
        rates = [row.images_per_s for row in self._history if row.images_per_s is not None]
        return Outcome(
            model=self._model,
            seed=self._seed,
            status=status,
            reason=reason,
            steps=self._learner.step,
            epochs=tuple(self._history),
            test_loss=None if test is None else test.loss,
            top1=None if test is None else test.top1,
            top5=None if test is None else test.top5,
            images_per_s=_median(rates),
            time_s=self._clock.elapsed_s,
            peak_bytes=torch.cuda.max_memory_allocated() if self._setting.plan.kind == "cuda" else None,
            initial_spread=self._spread,
            notes=tuple(self._notes),
        )

    def _advance(self) -> None:
        parts = self._learner.parts
        start = time.perf_counter()
        loss = self._setting.world.mean(self._learner.advance())
        self._clock.add(time.perf_counter() - start)
        self._losses.append(loss)
        if self._learner.parts != parts:
            self._say(f"a batch does not fit in memory: it goes through in {self._learner.parts} parts")
        self._around.watch.step(self._learner.step, loss, self._clock.images_per_s)

    def _is_epoch_over(self) -> bool:
        return self._learner.step % self._steps_per_epoch == 0 or self._learner.step == self._steps

    def _end_epoch(self) -> None:
        """Measure the validation images and note where the training stands."""
        found, _ = self._evaluate(self._validation)
        step = self._learner.step
        since = (step - 1) // self._steps_per_epoch * self._steps_per_epoch
        losses = self._losses[since:]
        row = Epoch(
            model=self._model,
            seed=self._seed,
            epoch=len(self._history) + 1,
            step=step,
            train_loss=sum(losses) / len(losses),
            test_loss=None,
            top1=None,
            top5=None,
            learning_rate=self._learner.schedule.rate(step - 1),
            images_per_s=self._clock.images_per_s,
            elapsed_s=self._clock.elapsed_s,
            validation_loss=found.loss,
            validation_top1=found.top1,
            validation_top5=found.top5,
        )
        self._clock.begin_epoch()
        self._learner.schedule.after_epoch(found.loss)
        self._history.append(row)
        self._around.watch.epoch(row)

    def _tested(self) -> Trained:
        """Read the test images, for the first and only time."""
        found, predictions = self._evaluate(self._setting.batches(self._setting.data.test))
        recipe = self._setting.plan.recipe_of(self._model)
        warm_up = round(recipe.warm_up * self._steps)
        status = outcome_of(self._losses, warm_up, chance_loss(self._setting.data.train.labels.tolist()))
        if status == "ok" and _is_no_better_than_guessing(predictions):
            status = "chance"
        last = asdict(self._history[-1]) | {"test_loss": found.loss, "top1": found.top1, "top5": found.top5}
        self._history[-1] = Epoch(**last)
        return Trained(self.outcome(status, "", found), tuple(predictions), self._learner.model)

    def _evaluate(self, batches: Batches) -> tuple[Evaluation, list[Prediction]]:
        """Return what the first process finds, in all of them."""
        world = self._setting.world
        found = evaluate(self._learner.scores, batches.in_order()) if world.is_first else None
        result: tuple[Evaluation, list[Prediction]] = world.broadcast(found)
        return result

    def _initial_spread(self) -> float:
        inputs, _ = next(iter(self._validation.in_order()))
        states = random_states()
        scores: Tensor = self._learner.scores(inputs).float()
        restore(states)  # whatever a forward pass draws, training starts from the seed
        return float(scores.std(dim=0, correction=0).mean())

    def _resume(self) -> bool:
        """Go on from the last whole checkpoint; say no if there is none."""
        loaded = checkpoints.load(self._around.folder)
        for path in loaded.damaged:
            self._say(f"checkpoint {path.name} was damaged; going on from the one before, or from the start")
            if self._setting.world.is_first:
                path.unlink(missing_ok=True)
        content = loaded.content
        if content is None:
            return False
        found = differences(content["what"], self._what())
        if found:
            raise UsageError(f"cannot go on in '{self._around.folder}': {'; '.join(found)}")
        if content["threads"] != torch.get_num_threads():
            threads = f"{content['threads']} threads, now {torch.get_num_threads()}"
            self._say(f"it was begun with {threads}: the last bits may differ")
        self._learner.load(content["learner"])
        self._history = [Epoch(**row) for row in content["history"]]
        self._losses = list(content["losses"])
        self._spread = content["spread"]
        self._clock.load(content["clock"])
        self._notes = list(dict.fromkeys((*content["notes"], *self._notes)))
        restore(content["random"])
        return True

    def _save(self) -> None:
        if self._setting.world.is_first:
            checkpoints.save(self._around.folder, self._learner.step, self._content())
        self._saved_at = time.monotonic()

    def _content(self) -> dict[str, Any]:
        return {
            "what": self._what(),
            "learner": self._learner.state(),
            "history": [asdict(row) for row in self._history],
            "losses": self._losses,
            "spread": self._spread,
            "notes": self._notes,
            "clock": self._clock.state(),
            "random": random_states(),
            "threads": torch.get_num_threads(),
        }

    def _what(self) -> dict[str, Any]:
        """Return what a checkpoint must be of to be gone on from."""
        shapes = {name: list(tensor.shape) for name, tensor in self._learner.model.state_dict().items()}
        identity = self._setting.plan.identity() | {"seeds": self._seed, "models": self._model}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in identity.items()}
        plain["its code"] = source_digest(self._model)
        return plain | {f"the shape of {name}": shape for name, shape in shapes.items()}

    def _say(self, text: str) -> None:
        self._notes.append(text)
        self._around.watch.note(f"{self._model}, seed {self._seed}: {text}")


def _is_no_better_than_guessing(predictions: Sequence[Prediction]) -> bool:
    """Say whether the 95% interval of the test accuracy reaches down to that of always guessing the largest class."""
    right = sum(one.classes[0] == one.label for one in predictions)
    low, _ = accuracy_interval(right, len(predictions))
    return low <= chance_accuracy([one.label for one in predictions], 1)


def _median(values: Sequence[float]) -> float | None:
    ordered = sorted(values)
    middle = len(ordered) // 2
    if not ordered:
        return None
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
