"""Ask a fresh worker process, and hear what it answers or how it ended."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from archbench.host.exit_reason import reason
from archbench.measure.worker.process import worker
from archbench.measure.worker.request import Request
from archbench.units import format_bytes

Progress = Callable[[str], None]

# Compiling a large network takes minutes in which nothing is said; a device that hangs says nothing more at all.
SILENCE_S = 1800.0


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that gave no answer: what became of it. `code` is that of its end, None if it told itself."""

    status: Literal["oom", "failed"]
    reason: str
    code: int | None = None
    environment: dict[str, Any] = field(default_factory=dict)


def ask(
    request: Request,
    on_progress: Progress,
    variables: Mapping[str, str] | None = None,
    silence_s: float = SILENCE_S,
) -> dict[str, Any] | Ended:
    """Return what a fresh process answers, or how it ended without an answer.

    Of one that ends after its answer, the answer stands. One that says nothing for `silence_s` is ended. `variables`
    are added to its environment.
    """
    answered: dict[str, Any] = {}
    environment: dict[str, Any] = {}
    which = f", process {request.seed + 1} of {request.processes}" if request.processes > 1 else ""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
        worker(errors, variables=variables) as process,
        _Patience(process, silence_s) as patience,
    ):
        assert process.stdin is not None, "it is a pipe"
        assert process.stdout is not None, "it is a pipe"
        with suppress(BrokenPipeError):  # it has ended; why is said below
            process.stdin.write(f"{request.to_json()}\n")
            process.stdin.flush()
        for line in process.stdout:
            patience.begin_anew()
            said = _heard(line)
            event = said.pop("event", None)
            if event == "phase":
                on_progress(f"{said['what']}{which}")
            elif event == "environment":
                environment = said
            elif event == "answer":
                answered = said
            elif event == "done":
                return {**answered, **said}
            elif event == "oom":
                return Ended("oom", _memory(said), environment=environment)
            elif event == "failed":
                return Ended("failed", said["reason"], environment=environment)
        code = process.wait()
        if answered:
            return answered
        errors.seek(0)
        why = f"the process said nothing for {silence_s:.0f} s" if patience.is_over else reason(code, errors.read())
        return Ended("failed", why, code, environment)


class _Patience:
    """Ends a process that has said nothing for so long."""

    def __init__(self, process: subprocess.Popen[str], silence_s: float) -> None:
        self._process = process
        self._silence_s = silence_s
        self.is_over = False

    def __enter__(self) -> _Patience:
        self._begin()
        return self

    def __exit__(self, *_error: object) -> None:
        self._timer.cancel()

    def begin_anew(self) -> None:
        """Take note that something was said."""
        self._timer.cancel()
        self._begin()

    def _begin(self) -> None:
        self._timer = threading.Timer(self._silence_s, self._end)
        self._timer.daemon = True
        self._timer.start()

    def _end(self) -> None:
        self.is_over = True
        self._process.kill()


def _heard(line: str) -> dict[str, Any]:
    """Return what a line says; nothing of one that was cut off as the process was killed."""
    try:
        said: dict[str, Any] = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return said


def _memory(said: dict[str, Any]) -> str:
    free = "" if said["free_bytes"] is None else f"{format_bytes(said['free_bytes'])} are free, "
    return f"out of memory: {free}about {format_bytes(said['needed_bytes'])} are needed"
