"""How far a sweep is, on standard error: a live table on a terminal, else a line a configuration."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from cli.output import note, screen

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from archbench.store.records import Result

# What stands above and below the rows of results.
_OTHER_LINES = 8
_FEWEST_ROWS = 3


class Progress:
    """Tells what is measured now, how many are done and how long the rest may take; a terminal also sees results."""

    def __init__(self, total: int, num_kept: int = 0) -> None:
        """Begin with none done of `total`, of which `num_kept` were measured before and take no time."""
        self._total = total
        self._num_to_measure = total - num_kept
        self._done = 0
        self._spent_s: list[float] = []
        self._begun_s: float | None = None
        console = screen()
        self._screen = None if console is None else _Screen(total, console)

    def __enter__(self) -> Progress:
        if self._screen is not None:
            self._screen.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._screen is not None:
            self._screen.close()
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            note(f"{self._done} of {self._total} are done and kept; the same command goes on")

    def begin(self, what: str) -> None:
        """Say what is measured now."""
        self._begun_s = time.monotonic()
        if self._screen is None:
            note(f"[{self._done + 1}/{self._total}] {what}")
        else:
            self._screen.what, self._screen.phase = what, "starting"

    def say(self, phase: str) -> None:
        """Say what is done for it at the moment; only a terminal shows it."""
        if self._screen is not None:
            self._screen.phase = phase

    def remark(self, text: str) -> None:
        """Say something beside the result."""
        note(text)

    def end(self, result: Result) -> None:
        """Say what came of one, whether it was measured now or before."""
        self._done += 1
        if self._begun_s is not None:
            self._spent_s.append(time.monotonic() - self._begun_s)
            self._begun_s = None
        if self._screen is not None:
            self._screen.add(result, time_left(self._spent_s, self._num_to_measure - len(self._spent_s)))
        elif result.status != "ok":
            note(f"[{self._done}/{self._total}] {': '.join(filter(None, (result.status, result.reason)))}")


def time_left(spent_s: Sequence[float], num_left: int) -> str:
    """Return how long the rest may take if it takes what others took; nothing while that is not known."""
    from archbench.units import format_time

    return f"about {format_time(sum(spent_s) / len(spent_s) * num_left)} left" if spent_s and num_left else ""


class _Screen:
    """A live table of results above what is being measured.

    It is drawn once a second and no oftener: what draws takes time from what is measured.
    """

    def __init__(self, total: int, console: Console) -> None:
        from rich.live import Live
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars
        from rich.text import Text

        self.what = self.phase = ""
        self._results: list[Result] = []
        self._table = Text()
        self._console = console
        self._bars = Bars(BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        self._task = self._bars.add_task("", total=total)
        self._live = Live(console=console, get_renderable=self._picture, transient=True, refresh_per_second=1)

    def open(self) -> None:
        """Begin to draw."""
        self._live.start()

    def close(self) -> None:
        """Leave the terminal as it was: the result itself goes to standard output."""
        self._live.stop()

    def add(self, result: Result, left: str) -> None:
        """Show one more result, and how long the rest may take."""
        from rich.text import Text

        from archbench.reporting.export.text import to_text
        from archbench.reporting.tables.bench import bench_table

        self.what = ""
        self._results.append(result)
        most = max(_FEWEST_ROWS, self._console.height - _OTHER_LINES)
        table = replace(bench_table(self._results[-most:]), notes=())
        self._table = Text.from_ansi(to_text(table, stream=sys.stderr, width=self._console.width - 1))
        self._bars.update(self._task, advance=1, description=left)

    def _picture(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        now = Text(f"{self.what}: {self.phase}" if self.what else "", no_wrap=True, overflow="ellipsis")
        return Group(self._table, now, self._bars)
