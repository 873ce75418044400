"""Progress of a training on standard error: live on a terminal, else a line per epoch."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from archbench.progress import Progress
from cli.output import note, screen

if TYPE_CHECKING:
    from rich import progress as rich
    from rich.console import Console

# Narrower terminals need the room for figures.
_WIDE = 100


class TrainingProgress(Progress):
    """Shows the current model, its loss, rate, validation accuracy and the time left."""

    def __init__(self) -> None:
        self._total = self._ended = 0
        self._display: rich.Progress | None = None
        self._task: rich.TaskID | None = None

    def __enter__(self) -> TrainingProgress:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._display is not None:
            self._display.stop()

    def start(self, total: int, done: int = 0) -> None:
        """Start the display, on a terminal."""
        self._total, self._ended = total, done
        console = screen()
        if console is not None:
            self._display = _display(console)
            self._display.start()

    def begin(self, task: str, steps: int | None = None, done: int = 0) -> None:
        """Add a line for a model and a seed."""
        text = f"[{self._ended + 1}/{self._total}] {task}"
        if self._display is None:
            note(f"{text}, going on after step {done} of {steps}" if done else text)
        else:
            self._task = self._display.add_task(text, total=steps, completed=done, figures="")

    def update(self, text: str = "", step: int | None = None) -> None:
        """Move the bar after a step; print a line after an epoch, which has no step of its own, without a display."""
        if self._display is None:
            if step is None:
                note(text)
        elif self._task is not None and step is not None:
            self._display.update(self._task, completed=step, figures=text)

    def note(self, text: str) -> None:
        """Print a line above the bars."""
        if self._display is None:
            note(text)
        else:
            self._display.console.print(text, markup=False, highlight=False)

    def end(self, result: Any) -> None:
        """Print how a training ended."""
        from archbench.training.messages import outcome_line

        self._ended += 1
        if self._display is not None and self._task is not None:
            self._display.remove_task(self._task)
            self._task = None
        self.note(outcome_line(result))


def _display(console: Console) -> rich.Progress:
    """Return a display with a line per training; a narrow terminal gets no bar, and figures that are cut."""
    from rich import progress as rich
    from rich.table import Column

    figures = Column(no_wrap=True, overflow="ellipsis", ratio=1)
    return rich.Progress(
        rich.TextColumn("{task.description}", markup=False),
        *([rich.BarColumn(bar_width=20)] if console.width >= _WIDE else []),
        rich.MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=9)),
        rich.TextColumn("{task.fields[figures]}", markup=False, table_column=figures),
        rich.TimeRemainingColumn(table_column=Column(no_wrap=True, min_width=7)),
        console=console,
    )
