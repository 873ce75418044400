"""A whole run: every model with every seed, one after the other; what is finished is on disk at every moment."""

from __future__ import annotations

import gc
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import torch

from archbench.analyze.layers import layer_table
from archbench.errors import OutputError, UsageError
from archbench.files import remove_unfinished, write_whole
from archbench.host.machine import machine
from archbench.trace.tracer import trace
from archbench.training.callbacks import Watch
from archbench.training.config import Plan
from archbench.training.data.records import Data
from archbench.training.distributed.process_group import World
from archbench.training.learner import NonFiniteError
from archbench.training.model.adapt import Adapted
from archbench.training.run_dir import checkpoints
from archbench.training.run_dir.files import accuracy_of, read_outcome, write_outcome, write_predictions, write_rows
from archbench.training.run_dir.paths import RunFolder, SeedFolder, make_folder
from archbench.training.run_dir.records import Accuracy, Chance, Epoch, Outcome
from archbench.training.statistics import chance_accuracy, chance_loss
from archbench.training.task import Setting, build
from archbench.training.trainer import Circumstances, Trained, Training
from archbench.units import format_dimensions

# A training that ended so needs no checkpoint any more.
_GOOD = ("ok", "chance")


@dataclass(frozen=True, slots=True)
class Size:
    """What a model is as it is trained: the shape of an image and, for one, parameters and MACs."""

    input_shape: tuple[int, int, int]
    params: int
    macs: int
    notes: tuple[str, ...]


def size_of(adapted: Adapted) -> Size:
    """Return what an adapted model is."""
    record = trace(adapted.model, torch.empty(1, *adapted.input_shape, device="meta"))
    totals = layer_table(record).totals
    return Size(adapted.input_shape, totals.params, totals.macs, adapted.notes)


class Run:
    """A plan on its way. `sizes` are the models', by address, found out before anything is trained."""

    def __init__(
        self,
        plan: Plan,
        data: Data,
        sizes: Mapping[str, Size],
        folder: RunFolder,
        *,
        world: World,
        watch: Watch,
        is_asked_to_stop: Callable[[], bool],
        checkpoint_s: float,
    ) -> None:
        self._plan, self._data, self._sizes, self._folder = plan, data, sizes, folder
        self._world, self._watch = world, watch
        self._is_asked_to_stop, self._checkpoint_s = is_asked_to_stop, checkpoint_s
        self._outcomes: list[Outcome] = []

    def go(self) -> list[Accuracy]:
        """Train what is not trained yet and return a row a model, also where it was asked to stop before the end.

        Raises OutputError where something cannot be written, UsageError for a checkpoint of something else.
        """
        if self._world.is_first:
            remove_unfinished(self._folder.path)
        for model, seed in self._trainings():
            folder = self._folder.seed(model, seed)
            outcome = self._ended_before(folder)
            if outcome is None:
                outcome = self._train(model, seed, folder)
                gc.collect()  # before the next model needs the memory; the command line collects nothing by itself
            assert outcome.model == model, "every model has a folder of its own"
            self._outcomes.append(outcome)
            self._write()
            self._watch.end(outcome)
            if outcome.status == "interrupted":
                break
        return self.accuracies()

    def accuracies(self) -> list[Accuracy]:
        """Return a row for each model that has begun."""
        by_model = {model: [one for one in self._outcomes if one.model == model] for model in self._plan.models}
        return [
            accuracy_of(
                found,
                self._data,
                input_shape=format_dimensions(self._sizes[model].input_shape),
                params=self._sizes[model].params,
                macs=self._sizes[model].macs,
                steps_per_epoch=self._plan.steps_per_epoch(model, len(self._data.train)),
            )
            for model, found in by_model.items()
            if found
        ]

    def _ended_before(self, folder: SeedFolder) -> Outcome | None:
        """Return how a training has ended, None if it did not, or if it failed, which it may not do again."""
        outcome = read_outcome(folder.outcome)
        if outcome is not None and outcome.status in _GOOD and self._world.is_first:
            checkpoints.remove(folder.path)  # whoever wrote the outcome may have been killed before this
        return None if outcome is not None and outcome.status == "failed" else outcome

    def _trainings(self) -> Iterator[tuple[str, int]]:
        return ((model, seed) for model in self._plan.models for seed in self._plan.seeds)

    def _train(self, model: str, seed: int, folder: SeedFolder) -> Outcome:
        """Train one, and keep what came of it."""
        adapted = build(self._plan, model, seed, self._data.shape, self._data.num_classes)
        if self._world.is_first:
            self._keep_initial(folder, adapted)
        around = Circumstances(
            folder=folder.path,
            checkpoint_s=self._checkpoint_s,
            watch=_Recording(self._watch, lambda: self._write_metrics(training.history)),
            is_asked_to_stop=self._is_asked_to_stop,
        )
        training = Training(Setting(self._plan, model, seed, self._data, adapted, self._world), around)
        try:
            trained = training.run()
        except NonFiniteError as error:
            return self._ended(folder, training.outcome("diverged", str(error)))
        except (OutputError, UsageError):
            raise
        except Exception as error:  # whatever the user's own model raises, or memory that is too small
            if self._world.size > 1:  # the other processes must not wait for this one
                raise
            self._watch.note(f"{model}, seed {seed}: {_first_line(error)}")
            return self._ended(folder, training.outcome("failed", _first_line(error)))
        if trained is None:
            return training.outcome("interrupted", "")
        return self._keep(folder, trained)

    def _keep_initial(self, folder: SeedFolder, adapted: Adapted) -> None:
        if folder.initial.exists():
            return
        make_folder(folder.path)
        state = adapted.model.state_dict()
        first = [name for name, tensor in state.items() if tensor.dim() == 4][:2]
        write_whole(folder.initial, _as_file({name: state[name] for name in first}))

    def _keep(self, folder: SeedFolder, trained: Trained) -> Outcome:
        if self._world.is_first:
            write_whole(folder.final, _as_file(trained.model.state_dict()))
            write_predictions(folder.predictions, trained.predictions)
        return self._ended(folder, trained.outcome)

    def _ended(self, folder: SeedFolder, outcome: Outcome) -> Outcome:
        """Write how it ended, after everything else; of a training that ended well no checkpoint is needed any more."""
        if self._world.is_first:
            make_folder(folder.path)
            write_outcome(folder.outcome, outcome)
            if outcome.status in _GOOD:
                checkpoints.remove(folder.path)
        return outcome

    def _write(self) -> None:
        if self._world.is_first:
            write_rows(self._folder.accuracy, Accuracy, self.accuracies())
            self._write_metrics(())

    def _write_metrics(self, running: Sequence[Epoch]) -> None:
        if self._world.is_first:
            rows = [row for outcome in self._outcomes for row in outcome.epochs]
            write_rows(self._folder.metrics, Epoch, [*rows, *running])


class _Recording(Watch):
    """Passes everything on, and has each epoch written as it comes."""

    def __init__(self, watch: Watch, write: Callable[[], None]) -> None:
        self._watch, self._write = watch, write

    def begin(self, model: str, seed: int, steps: int, done: int) -> None:
        self._watch.begin(model, seed, steps, done)

    def step(self, step: int, loss: float, images_per_s: float | None) -> None:
        self._watch.step(step, loss, images_per_s)

    def epoch(self, row: Epoch) -> None:
        self._write()
        self._watch.epoch(row)

    def note(self, text: str) -> None:
        self._watch.note(text)


def describe(plan: Plan, data: Data, sizes: Mapping[str, Size], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `run.json` says: an id, what was asked, the plan, the data, and the models as they are trained."""
    counts = {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)}
    told = {name: getattr(data, name) for name in ("name", "caveat", "classes", "shape", "mean", "std", "digest")}
    chance = Chance(chance_loss(data.train.labels.tolist()), chance_accuracy(data.validation.labels.tolist(), 1))
    models = {model: asdict(size) for model, size in sizes.items()}
    record = {
        "run_id": uuid4().hex,
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "asked": asked,
        "plan": plan.to_record(),
        "data": told | {"images": counts, "chance": asdict(chance)},
        "models": models,
    }
    plain: dict[str, Any] = json.loads(json.dumps(record))
    return plain


def _as_file(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
