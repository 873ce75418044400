"""How far a sweep is, on standard error: one line that is rewritten on a terminal, else a line a configuration."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from cli.output import note


class Progress:
    """Tells what is measured now, how many are done, and how long the rest may take."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._measured = 0
        self._what = ""
        self._start = time.monotonic()
        self._is_terminal = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._write("")
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            note(f"{self._done} of {self._total} are done and kept; the same command goes on")

    def begin(self, what: str) -> None:
        """Say what is measured now."""
        self._what = what
        self._measured += 1
        if self._is_terminal:
            self.say("starting")
        else:
            note(f"[{self._done + 1}/{self._total}] {what}")

    def say(self, phase: str) -> None:
        """Say what is done for it at the moment; only a terminal shows it."""
        self._write(f"[{self._done + 1}/{self._total}] {self._what}: {phase}{self._left()}")

    def end(self, status: str) -> None:
        """Say that one is done."""
        self._done += 1
        if status != "ok" and not self._is_terminal:
            note(f"[{self._done}/{self._total}] {status}")

    def _left(self) -> str:
        from archbench.units import format_time

        if self._measured < 2:
            return ""
        each = (time.monotonic() - self._start) / (self._measured - 1)
        return f", about {format_time(each * (self._total - self._done))} left"

    def _write(self, text: str) -> None:
        if self._is_terminal:
            sys.stderr.write(f"\r\033[K{text}")
            sys.stderr.flush()
