"""How far a training is, on standard error: live on a terminal, else a line an epoch."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from archbench.training.callbacks import Watch
from archbench.training.run_dir.records import Epoch, Outcome
from cli.output import note, screen

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


# Narrower terminals need the room for figures.
_WIDE = 100


class Live(Watch):
    """Shows the model that is trained now, its loss, rate, validation accuracy and the time left."""

    def __init__(self, trainings: int, *, is_shown: bool = True) -> None:
        self._trainings = trainings
        self._is_shown = is_shown
        self._ended = 0
        console = screen() if is_shown else None
        self._progress: Progress | None = None if console is None else _progress(console)
        self._task: TaskID | None = None
        self._validation = ""

    def __enter__(self) -> Live:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def begin(self, model: str, seed: int, steps: int, done: int) -> None:
        """Begin a line for a model and a seed."""
        self._validation = ""
        what = f"[{self._ended + 1}/{self._trainings}] {model}, seed {seed}"
        if self._progress is None:
            self.note(what if not done else f"{what}, going on after step {done} of {steps}")
        else:
            self._task = self._progress.add_task(what, total=steps, completed=done, figures="")

    def step(self, step: int, loss: float, images_per_s: float | None) -> None:
        """Move the bar."""
        from archbench.reporting.tables.train import step_words

        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=step, figures=step_words(loss, images_per_s) + self._validation)

    def epoch(self, row: Epoch) -> None:
        """Say how it stands."""
        from archbench.reporting.tables.train import epoch_line
        from archbench.units import format_percent

        self._validation = f", validation {format_percent(row.validation_top1)}"
        if self._progress is None:
            self.note(epoch_line(row))

    def note(self, text: str) -> None:
        """Say it above the bars."""
        if self._progress is None:
            if self._is_shown:
                note(text)
        else:
            self._progress.console.print(text, markup=False, highlight=False)

    def end(self, outcome: Outcome) -> None:
        """Say how it ended."""
        from archbench.reporting.tables.train import outcome_line

        self._ended += 1
        if self._progress is not None and self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None
        self.note(outcome_line(outcome))


def _progress(console: Console) -> Progress:
    """Return a line a training; where it is narrow, first the bar goes, then figures are cut."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    figures = Column(no_wrap=True, overflow="ellipsis", ratio=1)
    return Progress(
        TextColumn("{task.description}", markup=False),
        *([BarColumn(bar_width=20)] if console.width >= _WIDE else []),
        MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=9)),
        TextColumn("{task.fields[figures]}", markup=False, table_column=figures),
        TimeRemainingColumn(table_column=Column(no_wrap=True, min_width=7)),
        console=console,
    )
