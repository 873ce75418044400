"""Progress of a sweep on standard error: a live table on a terminal, else one line per configuration."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from archbench.progress import Progress
from cli.output import note, screen

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from archbench.store.records import Result

# Lines above and below the rows of results.
_OTHER_LINES = 8
_FEWEST_ROWS = 3


class BenchProgress(Progress):
    """Shows what is measured now, how many are done and how long the rest may take; a terminal also shows results."""

    def __init__(self) -> None:
        self._total = self._num_to_measure = self._done = 0
        self._spent_s: list[float] = []
        self._begun_s: float | None = None
        self._screen: _Screen | None = None

    def __enter__(self) -> BenchProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._screen is not None:
            self._screen.close()
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            note(f"{self._done} of {self._total} are done and stored; the same command continues")

    def start(self, total: int, done: int = 0) -> None:
        """Begin with `total` configurations, of which `done` are stored already and take no time."""
        self._total, self._num_to_measure = total, total - done
        if done:
            note(f"{done} of {total} were measured before; --rerun measures them again")
        console = screen()
        if console is not None:
            self._screen = _Screen(total, console)
            self._screen.open()

    def begin(self, task: str, steps: int | None = None, done: int = 0) -> None:  # noqa: ARG002  # no steps here
        """Show what is measured now."""
        self._begun_s = time.monotonic()
        if self._screen is None:
            note(f"[{self._done + 1}/{self._total}] {task}")
        else:
            self._screen.task, self._screen.phase = task, "starting"

    def update(self, text: str = "", step: int | None = None) -> None:  # noqa: ARG002  # no steps here
        """Show the phase of the measurement; only on a terminal."""
        if self._screen is not None:
            self._screen.phase = text

    def note(self, text: str) -> None:
        """Print something about the task."""
        note(text)

    def end(self, result: Result) -> None:
        """Show a result, measured now or stored before."""
        self._done += 1
        if self._begun_s is not None:
            self._spent_s.append(time.monotonic() - self._begun_s)
            self._begun_s = None
        if self._screen is not None:
            self._screen.add(result, time_left(self._spent_s, self._num_to_measure - len(self._spent_s)))
        elif result.status in ("failed", "oom"):  # whatever else was doubtful stands in the table
            note(f"[{self._done}/{self._total}] {': '.join(filter(None, (result.status, result.reason)))}")


class PhaseProgress(Progress):
    """Prints each phase of a task on a line."""

    def begin(self, task: str, steps: int | None = None, done: int = 0) -> None:  # noqa: ARG002  # no steps here
        """Begin a task."""
        self._task = task

    def update(self, text: str = "", step: int | None = None) -> None:  # noqa: ARG002  # no steps here
        """Print a phase."""
        note(f"{self._task}: {text}")


def time_left(spent_s: Sequence[float], num_left: int) -> str:
    """Return an estimate of the time that is left, from the mean so far; empty while there is none."""
    from archbench.units import format_time

    return f"about {format_time(sum(spent_s) / len(spent_s) * num_left)} left" if spent_s and num_left else ""


class _Screen:
    """A live table of results above the current task, drawn once a second: drawing takes time from the measurement."""

    def __init__(self, total: int, console: Console) -> None:
        from rich.live import Live
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars
        from rich.text import Text

        self.task = self.phase = ""
        self._results: list[Result] = []
        self._table = Text()
        self._console = console
        self._bars = Bars(BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        self._bar = self._bars.add_task("", total=total)
        self._live = Live(console=console, get_renderable=self._picture, transient=True, refresh_per_second=1)

    def open(self) -> None:
        """Start drawing."""
        self._live.start()

    def close(self) -> None:
        """Restore the terminal; the result itself goes to standard output."""
        self._live.stop()

    def add(self, result: Result, left: str) -> None:
        """Show one more result and the time that is left."""
        from rich.text import Text

        from archbench.reporting.export.text import to_text
        from archbench.reporting.tables.bench import bench_table

        self.task = ""
        self._results.append(result)
        most = max(_FEWEST_ROWS, self._console.height - _OTHER_LINES)
        table = replace(bench_table(self._results[-most:]), notes=())
        self._table = Text.from_ansi(to_text(table, stream=sys.stderr, width=self._console.width - 1))
        self._bars.update(self._bar, advance=1, description=left)

    def _picture(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        now = Text(f"{self.task}: {self.phase}" if self.task else "", no_wrap=True, overflow="ellipsis")
        return Group(self._table, now, self._bars)
