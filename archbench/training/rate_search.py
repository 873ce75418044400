"""Search the learning rate of one model; trials that have ended are on disk, and are not trained again."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace

from archbench.errors import OutputError, UsageError, first_line
from archbench.progress import Progress
from archbench.training.config import TrainConfig
from archbench.training.data.records import Data
from archbench.training.distributed.process_group import ProcessGroup
from archbench.training.learner import NonFiniteError
from archbench.training.learning_rate import RateSearch, Trial, best_rate, next_rate, search_steps, trial_of
from archbench.training.records import Outcome
from archbench.training.run_dir import checkpoints
from archbench.training.run_dir.files import read_outcome, write_outcome
from archbench.training.run_dir.paths import RunFolder, SeedFolder, make_folder
from archbench.training.task import Task, build_model
from archbench.training.trainer import Trainer


class Searcher:
    """Searches learning rates for the models of a run, each with the first seed and on validation images only."""

    def __init__(
        self,
        config: TrainConfig,
        data: Data,
        folder: RunFolder,
        *,
        group: ProcessGroup,
        progress: Progress,
        should_stop: Callable[[], bool],
        checkpoint_s: float,
    ) -> None:
        self._config, self._data, self._folder = config, data, folder
        self._group, self._progress = group, progress
        self._should_stop, self._checkpoint_s = should_stop, checkpoint_s

    def search(self, model: str) -> RateSearch | None:
        """Return the learning rate for a model; None where the search was stopped, to be continued later."""
        recipe = self._config.recipe_of(model)
        trials: list[Trial] = []
        while (rate := next_rate(recipe, trials)) is not None:
            folder = self._folder.trial(model, rate)
            outcome: Outcome | None = self._group.broadcast(
                read_outcome(folder.outcome) if self._group.is_first else None
            )
            outcome = outcome or self._train(model, rate, folder)
            if outcome is None:
                return None
            trials.append(trial_of(rate, outcome))
        return RateSearch(model, best_rate(trials), tuple(sorted(trials, key=lambda trial: trial.rate)))

    def _train(self, model: str, rate: float, folder: SeedFolder) -> Outcome | None:
        """Train with one rate, and write how it ended; return None where it was stopped."""
        trainer = self._trainer(model, rate, folder)
        try:
            if not trainer.train():
                return None
            outcome = trainer.outcome("ok", "")
        except NonFiniteError as error:
            outcome = trainer.outcome("diverged", str(error))
        except (OutputError, UsageError):
            raise
        except Exception as error:  # whatever the user's own model raises, or too little memory
            if self._group.size > 1:  # the other processes must not wait for this one
                raise
            outcome = trainer.outcome("failed", first_line(error))
        if self._group.is_first:
            make_folder(folder.path)
            write_outcome(folder.outcome, outcome)
            checkpoints.remove(folder.path)
        gc.collect()  # before the next training needs the memory
        return outcome

    def _trainer(self, model: str, rate: float, folder: SeedFolder) -> Trainer:
        seed = self._config.seeds[0]
        steps = search_steps(self._config, model, len(self._data.train))
        config = replace(self._config, learning_rate=rate, steps=steps, epochs=None, seeds=(seed,))
        adapted = build_model(config, model, seed, self._data.shape, self._data.num_classes)
        return Trainer(
            Task(config, model, seed, self._data, adapted, self._group),
            folder.path,
            checkpoint_s=self._checkpoint_s,
            progress=_TrialProgress(self._progress, model, rate),
            on_epoch=lambda _: None,
            should_stop=self._should_stop,
        )


class _TrialProgress(Progress):
    """Reports the steps of a trial under its learning rate, without a line for each epoch."""

    def __init__(self, progress: Progress, model: str, rate: float) -> None:
        self._progress, self._name = progress, f"{model}, learning rate {rate:g}"

    def begin(self, task: str, steps: int | None = None, done: int = 0) -> None:  # noqa: ARG002  # the trainer's name
        self._progress.begin(self._name, steps, done)

    def update(self, text: str = "", step: int | None = None) -> None:
        if step is not None:
            self._progress.update(text, step)

    def note(self, text: str) -> None:
        self._progress.note(text)
