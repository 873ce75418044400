"""Train one model with one seed, from the first step or from a checkpoint, to its test accuracy."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from archbench.errors import UsageError
from archbench.progress import Progress
from archbench.store.accuracy import Status
from archbench.training.clock import StepClock
from archbench.training.config import differences, source_digest
from archbench.training.data.batches import Batches
from archbench.training.evaluation import Evaluation, evaluate
from archbench.training.learner import NonFiniteError
from archbench.training.messages import epoch_line, skipped_note, step_line
from archbench.training.records import Epoch, Outcome, Prediction
from archbench.training.run_dir import checkpoints
from archbench.training.seeding import random_states, restore, seed_all
from archbench.training.statistics import status_of
from archbench.training.task import Task


@dataclass(frozen=True, slots=True)
class Trained:
    """The result of a training that reached its last step: one prediction per test image."""

    outcome: Outcome
    predictions: tuple[Prediction, ...]
    model: nn.Module


class Trainer:
    """One training in progress. Its model was built after `seed_all`, and no random number was drawn since.

    Checkpoints go to `folder` every `checkpoint_s` seconds. `on_epoch` receives all rows of `metrics.csv` so far after
    each epoch. Training stops after the step in which `should_stop` returns true; several processes make one more.
    """

    def __init__(
        self,
        task: Task,
        folder: Path,
        *,
        checkpoint_s: float,
        progress: Progress,
        on_epoch: Callable[[Sequence[Epoch]], None],
        should_stop: Callable[[], bool],
    ) -> None:
        self._task, self._folder, self._checkpoint_s = task, folder, checkpoint_s
        self._progress, self._on_epoch, self._should_stop = progress, on_epoch, should_stop
        self._learner = task.learner()
        self._validation = task.batches(task.data.validation)
        self._history: list[Epoch] = []
        self._losses: list[float] = []
        self._clock = StepClock(task.batch)
        self._notes = list(task.adapted.notes)
        self._spread: float | None = None
        self._saved_at = time.monotonic()

    def run(self) -> Trained | None:
        """Train to the end and return the result on the test images; None where it was stopped. Raises as `train`."""
        return self._test() if self.train() else None

    def train(self) -> bool:
        """Train to the end, without the test images; return False where it was stopped, with a checkpoint saved.

        Raises NonFiniteError, with the last good state saved, UsageError for a checkpoint of another model or
        configuration, OutputError where a checkpoint cannot be written.
        """
        task, learner = self._task, self._learner
        if task.config.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        if not self._resume():
            self._spread = self._initial_spread()
        if not task.group.is_first:  # each process draws its own dropout masks
            seed_all(task.seed + learner.step, task.group.rank)
        self._progress.begin(self._name, steps=task.steps, done=learner.step)
        try:
            return self._train()
        except NonFiniteError:
            # The parameters were not updated, but a batch normalisation has averaged what came before.
            if self._learner.is_finite():
                self._save()
            raise

    def outcome(self, status: Status, reason: str, test: Evaluation | None = None) -> Outcome:
        """Return the outcome of the training as it stands."""
        rates = [row.images_per_s for row in self._history if row.images_per_s is not None]
        return Outcome(
            model=self._task.model,
            seed=self._task.seed,
            status=status,
            reason=reason,
            steps=self._learner.step,
            epochs=tuple(self._history),
            test_loss=None if test is None else test.loss,
            top1=None if test is None else test.top1,
            top5=None if test is None else test.top5,
            images_per_s=statistics.median(rates) if rates else None,
            time_s=self._clock.elapsed_s,
            peak_bytes=torch.cuda.max_memory_allocated() if self._task.config.device == "cuda" else None,
            initial_spread=self._spread,
            notes=(*self._notes, *skipped_note(self._learner.skipped, self._learner.step)),
            skipped_steps=self._learner.skipped,
        )

    @property
    def _name(self) -> str:
        return f"{self._task.model}, seed {self._task.seed}"

    def _train(self) -> bool:
        """Make all steps that are left; return false where training was stopped, with a checkpoint saved."""
        task, learner = self._task, self._learner
        while learner.step < task.steps:
            stop, save = self._advance()
            is_end = learner.step % task.steps_per_epoch == 0 or learner.step == task.steps
            if stop or save or is_end or self._clock.is_untimed:
                self._settle()
            if is_end:
                self._end_epoch()
            if stop or save:
                self._save()
            if stop:
                return False
        return True

    def _advance(self) -> tuple[bool, bool]:
        """Make a step; return whether to stop, and whether to save, which several processes agree on."""
        parts = self._learner.parts
        start = time.perf_counter()
        if self._task.group.size == 1:
            results = self._learner.advance()
            requests = self._should_stop(), self._is_checkpoint_due()
        else:
            results = self._learner.advance(stop=self._should_stop(), save=self._is_checkpoint_due())
            requests = any(result.stop for result in results), any(result.save for result in results)
        self._losses += [result.loss for result in results]
        self._clock.add(time.perf_counter() - start)
        if self._learner.parts != parts:
            self._note(f"a batch does not fit in memory: it is divided into {self._learner.parts} parts")
        if self._losses:
            validation = self._history[-1].validation_top1 if self._history else None
            line = step_line(self._losses[-1], self._clock.images_per_s, validation)
            self._progress.update(line, step=self._learner.step)
        return requests

    def _settle(self) -> None:
        """Wait for the steps that are still running."""
        start = time.perf_counter()
        self._losses += [result.loss for result in self._learner.settle()]
        self._clock.wait(time.perf_counter() - start)

    def _is_checkpoint_due(self) -> bool:
        return time.monotonic() - self._saved_at >= self._checkpoint_s

    def _end_epoch(self) -> None:
        """Evaluate on the validation images and add a row to the history."""
        evaluation, _ = self._evaluate(self._validation)
        step, length = self._learner.step, self._task.steps_per_epoch
        losses = self._losses[(step - 1) // length * length :]
        row = Epoch(
            model=self._task.model,
            seed=self._task.seed,
            epoch=len(self._history) + 1,
            step=step,
            train_loss=sum(losses) / len(losses),
            test_loss=None,
            top1=None,
            top5=None,
            learning_rate=self._learner.schedule.rate(step - 1),
            images_per_s=self._clock.images_per_s,
            elapsed_s=self._clock.elapsed_s,
            validation_loss=evaluation.loss,
            validation_top1=evaluation.top1,
            validation_top5=evaluation.top5,
        )
        self._clock.begin_epoch()
        self._learner.schedule.after_epoch(evaluation.loss)
        self._history.append(row)
        self._on_epoch(self._history)
        self._progress.update(epoch_line(row))

    def _test(self) -> Trained:
        """Evaluate on the test images, for the first and only time."""
        task = self._task
        evaluation, predictions = self._evaluate(task.batches(task.data.test))
        status = status_of(self._losses, predictions)
        last = self._history[-1]
        self._history[-1] = replace(last, test_loss=evaluation.loss, top1=evaluation.top1, top5=evaluation.top5)
        return Trained(self.outcome(status, "", evaluation), tuple(predictions), self._learner.model)

    def _evaluate(self, batches: Batches) -> tuple[Evaluation, list[Prediction]]:
        """Evaluate in the first process, and return its result in every process."""
        group = self._task.group
        result: tuple[Evaluation, list[Prediction]] = group.broadcast(
            evaluate(self._learner.scores, batches.in_order()) if group.is_first else None
        )
        return result

    def _initial_spread(self) -> float:
        inputs, _ = next(iter(self._validation.in_order()))
        states = random_states()
        scores: Tensor = self._learner.scores(inputs).float()
        restore(states)  # whatever the forward pass draws, training starts from the seed
        return float(scores.std(dim=0, correction=0).mean())

    def _resume(self) -> bool:
        """Load the last intact checkpoint; return whether there is one."""
        loaded = checkpoints.load(self._folder)
        for path in loaded.damaged:
            self._note(f"checkpoint {path.name} was damaged; going on from the one before, or from the start")
            if self._task.group.is_first:
                path.unlink(missing_ok=True)
        if loaded.content is None:
            return False
        self._load(loaded.content)
        return True

    def _load(self, content: dict[str, Any]) -> None:
        differing = differences(content["what"], self._identity())
        if differing:
            raise UsageError(f"cannot go on in '{self._folder}': {'; '.join(differing)}")
        if content["threads"] != torch.get_num_threads():
            threads = f"{content['threads']} threads, now {torch.get_num_threads()}"
            self._note(f"it was begun with {threads}: the last bits may differ")
        self._learner.load(content["learner"])
        self._history = [Epoch(**row) for row in content["history"]]
        self._losses = list(content["losses"])
        self._spread = content["spread"]
        self._clock.load(content["clock"])
        self._notes = list(dict.fromkeys((*content["notes"], *self._notes)))
        restore(content["random"])

    def _save(self) -> None:
        if self._task.group.is_first:
            checkpoints.save(self._folder, self._learner.step, self._content())
        self._saved_at = time.monotonic()

    def _content(self) -> dict[str, Any]:
        return {
            "what": self._identity(),
            "learner": self._learner.state(),
            "history": [asdict(row) for row in self._history],
            "losses": self._losses,
            "spread": self._spread,
            "notes": self._notes,
            "clock": self._clock.state(),
            "random": random_states(),
            "threads": torch.get_num_threads(),
        }

    def _identity(self) -> dict[str, Any]:
        """Return what must be equal where a training continues from a checkpoint."""
        task = self._task
        shapes = {name: list(tensor.shape) for name, tensor in self._learner.model.state_dict().items()}
        identity = task.config.identity() | {"seeds": task.seed, "models": task.model}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in identity.items()}
        plain["its code"] = source_digest(task.model)
        return plain | {f"the shape of {name}": shape for name, shape in shapes.items()}

    def _note(self, text: str) -> None:
        self._notes.append(text)
        self._progress.note(f"{self._name}: {text}")
