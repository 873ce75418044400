"""Train every model of a run with every seed, one after the other; finished results are on disk at every moment."""

from __future__ import annotations

import gc
import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from archbench.errors import OutputError, UsageError, first_line
from archbench.files import remove_unfinished, write_whole
from archbench.progress import Progress
from archbench.store.accuracy import Accuracy
from archbench.training.config import AUTO, TrainConfig
from archbench.training.distributed.process_group import ProcessGroup
from archbench.training.learner import NonFiniteError
from archbench.training.learning_rate import RateSearch
from archbench.training.model.adapt import Adapted
from archbench.training.prepare import Prepared
from archbench.training.rate_search import Searcher
from archbench.training.records import Epoch, Outcome
from archbench.training.run_dir import checkpoints
from archbench.training.run_dir.files import read_outcome, write_outcome, write_predictions, write_rows
from archbench.training.run_dir.paths import RunFolder, SeedFolder, make_folder
from archbench.training.run_dir.run_json import learning_rates, read_run, write_learning_rates
from archbench.training.schedule import steps_per_epoch
from archbench.training.statistics import accuracy_of
from archbench.training.task import Task, build_model
from archbench.training.trainer import Trained, Trainer
from archbench.units import format_dimensions

# A training that ended so needs its checkpoints no more.
_COMPLETE = ("ok", "chance")


class Run:
    """A run in progress in its folder."""

    def __init__(
        self,
        prepared: Prepared,
        folder: RunFolder,
        *,
        group: ProcessGroup,
        progress: Progress,
        should_stop: Callable[[], bool],
        checkpoint_s: float,
    ) -> None:
        self._config, self._data, self._models = prepared.config, prepared.data, prepared.models
        self._folder, self._group, self._progress = folder, group, progress
        self._should_stop, self._checkpoint_s = should_stop, checkpoint_s
        self._searcher = Searcher(
            self._config,
            self._data,
            folder,
            group=group,
            progress=progress,
            should_stop=should_stop,
            checkpoint_s=checkpoint_s,
        )
        self._outcomes: list[Outcome] = []
        self._searches: dict[str, RateSearch] = {}

    def train(self) -> list[Accuracy]:
        """Train what is not trained yet and return one row per model, also where it was stopped before the end.

        Raises OutputError where something cannot be written, UsageError for a checkpoint of something else.
        """
        if self._group.is_first:
            remove_unfinished(self._folder.path)
        self._searches = self._group.broadcast(learning_rates(read_run(self._folder.path)))
        searches = self._config.learning_rate == AUTO
        self._progress.start(len(self._config.models) * (len(self._config.seeds) + searches))
        for model in self._config.models:
            if (searches and not self._search(model)) or not self._train_seeds(model):
                break
        return self.accuracies()

    def _search(self, model: str) -> bool:
        """Choose the learning rate of a model, unless it is chosen; return False where this was stopped."""
        if model not in self._searches:
            search = self._searcher.search(model)
            if search is None:
                self._write_results()
                return False
            self._searches[model] = search
            if self._group.is_first:
                write_learning_rates(self._folder.path, self._searches.values())
        self._progress.end(self._searches[model])
        return True

    def _train_seeds(self, model: str) -> bool:
        """Train a model with every seed that it is not trained with yet; return False where this was stopped."""
        for seed in self._config.seeds:
            folder = self._folder.seed(model, seed)
            outcome = self._earlier_outcome(folder)
            if outcome is None:
                outcome = self._train(model, seed, folder)
                gc.collect()  # before the next model needs the memory
            assert outcome.model == model, "every model has a folder of its own"
            self._outcomes.append(outcome)
            self._write_results()
            self._progress.end(outcome)
            if outcome.status == "interrupted":
                return False
        return True

    def accuracies(self) -> list[Accuracy]:
        """Return one row for each model that has begun."""
        by_model = {
            model: [outcome for outcome in self._outcomes if outcome.model == model] for model in self._config.models
        }
        return [self._accuracy(model, outcomes) for model, outcomes in by_model.items() if outcomes]

    def _config_of(self, model: str) -> TrainConfig:
        """Return the configuration with the learning rate that was chosen for a model, if one was searched."""
        search = self._searches.get(model)
        return self._config if search is None else replace(self._config, learning_rate=search.rate)

    def _accuracy(self, model: str, outcomes: Sequence[Outcome]) -> Accuracy:
        info, search = self._models[model], self._searches.get(model)
        row = accuracy_of(
            outcomes,
            self._data,
            input_shape=format_dimensions(info.input_shape),
            params=info.params,
            macs=info.macs,
            steps_per_epoch=steps_per_epoch(len(self._data.train), self._config.batch_of(model)),
        )
        search_s = 0.0 if search is None else search.time_s / len(self._config.seeds)
        time_s = None if row.time_s is None else row.time_s + search_s
        return replace(row, time_s=time_s, learning_rate=self._config_of(model).recipe_of(model).learning_rate)

    def _earlier_outcome(self, folder: SeedFolder) -> Outcome | None:
        """Return how a training ended earlier; None if it did not, or failed, which it may not do again."""
        outcome = read_outcome(folder.outcome)
        if outcome is not None and outcome.status in _COMPLETE and self._group.is_first:
            checkpoints.remove(folder.path)  # the process may have been killed between writing the outcome and this
        return None if outcome is not None and outcome.status == "failed" else outcome

    def _train(self, model: str, seed: int, folder: SeedFolder) -> Outcome:
        """Train one model with one seed and write the results."""
        adapted = build_model(self._config, model, seed, self._data.shape, self._data.num_classes)
        if self._group.is_first:
            _write_initial(folder, adapted)
        trainer = Trainer(
            Task(self._config_of(model), model, seed, self._data, adapted, self._group),
            folder.path,
            checkpoint_s=self._checkpoint_s,
            progress=self._progress,
            on_epoch=self._write_metrics,
            should_stop=self._should_stop,
        )
        try:
            trained = trainer.run()
        except NonFiniteError as error:
            return self._write_outcome(folder, trainer.outcome("diverged", str(error)))
        except (OutputError, UsageError):
            raise
        except Exception as error:  # whatever the user's own model raises, or too little memory
            if self._group.size > 1:  # the other processes must not wait for this one
                raise
            reason = first_line(error)
            self._progress.note(f"{model}, seed {seed}: {reason}")
            return self._write_outcome(folder, trainer.outcome("failed", reason))
        if trained is None:
            return trainer.outcome("interrupted", "")
        return self._write_trained(folder, trained)

    def _write_trained(self, folder: SeedFolder, trained: Trained) -> Outcome:
        outcome = trained.outcome
        if self._group.is_first:
            final = _serialised(trained.model.state_dict())
            outcome = replace(outcome, final_sha256=hashlib.sha256(final).hexdigest())
            write_whole(folder.final, final)
            write_predictions(folder.predictions, trained.predictions)
        return self._write_outcome(folder, outcome)

    def _write_outcome(self, folder: SeedFolder, outcome: Outcome) -> Outcome:
        """Write the outcome, after all other files; then remove the checkpoints of a complete training."""
        if self._group.is_first:
            make_folder(folder.path)
            write_outcome(folder.outcome, outcome)
            if outcome.status in _COMPLETE:
                checkpoints.remove(folder.path)
        return outcome

    def _write_results(self) -> None:
        if self._group.is_first:
            write_rows(self._folder.accuracy, Accuracy, self.accuracies())
            self._write_metrics(())

    def _write_metrics(self, running: Sequence[Epoch]) -> None:
        """Write `metrics.csv`: the epochs of finished trainings and those of the running one."""
        if self._group.is_first:
            rows = [row for outcome in self._outcomes for row in outcome.epochs]
            write_rows(self._folder.metrics, Epoch, [*rows, *running])


def _write_initial(folder: SeedFolder, adapted: Adapted) -> None:
    """Write the first two convolutions before training, for the pictures of filters."""
    if folder.initial.exists():
        return
    make_folder(folder.path)
    state = adapted.model.state_dict()
    first = [name for name, tensor in state.items() if tensor.dim() == 4][:2]
    write_whole(folder.initial, _serialised({name: state[name] for name in first}))


def _serialised(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()
