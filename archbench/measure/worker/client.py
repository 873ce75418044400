"""Run a request in a new worker process and return its result or its failure."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from archbench.host.exit_reason import reason
from archbench.measure.worker.channel import parse_event
from archbench.measure.worker.process import Process, worker
from archbench.measure.worker.request import Request
from archbench.units import format_bytes, format_time

OnPhase = Callable[[str], None]

# Compiling a large network takes minutes without a message; a device that hangs never sends one.
SILENCE_S = 1800.0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a process gave no result.

    `code` is its exit code, None if it reported the failure itself. `refusal` is the message if the configuration was
    refused, such as a dtype that the device does not have.
    """

    status: Literal["oom", "failed"]
    reason: str
    code: int | None = None
    refusal: str = ""
    environment: dict[str, Any] = field(default_factory=dict)


def run_request(
    request: Request, on_phase: OnPhase, variables: Mapping[str, str] | None = None
) -> dict[str, Any] | Failure:
    """Run a request in a new worker process and return its result or its failure.

    `on_phase` receives what the process is doing, `variables` are added to its environment. A result stands even if the
    process fails after it.
    """
    with Worker(request, variables) as process:
        return process.wait_for("done", on_phase)


def _ignore(_phase: str) -> None:
    """Ignore a phase."""


class Worker:
    """A worker process with its request, within a `with` block; it is killed if it is silent for half an hour."""

    def __init__(self, request: Request, variables: Mapping[str, str] | None = None) -> None:
        self._request = request
        self._variables = variables
        self._environment: dict[str, Any] = {}

    def __enter__(self) -> Worker:
        with ExitStack() as stack:
            self._errors = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace"))
            self._process = stack.enter_context(worker(self._errors, self._variables, may_fork=self._request.may_fork))
            self._watchdog = _Watchdog(self._process)
            self._stack = stack.pop_all()
        self.send(self._request.to_json())
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def send(self, line: str) -> None:
        """Send a line to the process; if it has ended, `wait_for` says why."""
        assert self._process.stdin is not None, "it is a pipe"
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()

    def wait_for(self, expected: str, on_phase: OnPhase = _ignore) -> dict[str, Any] | Failure:
        """Return the values of the expected event, with those of an answer before it, or why it does not come."""
        with self._watchdog:
            return self._read(expected, on_phase)

    def _read(self, expected: str, on_phase: OnPhase) -> dict[str, Any] | Failure:
        assert self._process.stdout is not None, "it is a pipe"
        answer: dict[str, Any] = {}
        for line in self._process.stdout:
            self._watchdog.restart()
            values = parse_event(line)
            match values.pop("event", None):
                case "phase":
                    on_phase(values["text"])
                case "environment":
                    self._environment = values
                case "answer":
                    answer = values
                case "oom":
                    return Failure("oom", _memory_reason(**values), environment=self._environment)
                case "failed":
                    return Failure("failed", environment=self._environment, **values)
                case event if event == expected:
                    return {**answer, **values}
        return answer or self._ended()

    def _ended(self) -> Failure:
        """Return how the process ended without a last event."""
        code = self._process.wait()
        self._errors.seek(0)
        silent = f"the process was silent for {format_time(SILENCE_S)}"
        why = silent if self._watchdog.has_fired else reason(code, self._errors.read())
        return Failure("failed", why, code, environment=self._environment)


class _Watchdog:
    """Kills a process that is silent for too long within a `with` block."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.has_fired = False

    def __enter__(self) -> None:
        self._start()

    def __exit__(self, *_error: object) -> None:
        self._timer.cancel()

    def restart(self) -> None:
        """Start the time anew."""
        self._timer.cancel()
        self._start()

    def _start(self) -> None:
        self._timer = threading.Timer(SILENCE_S, self._fire)
        self._timer.daemon = True
        self._timer.start()

    def _fire(self) -> None:
        self.has_fired = True
        self._process.kill()


def _memory_reason(needed_bytes: int, free_bytes: int | None) -> str:
    free = "" if free_bytes is None else f"{format_bytes(free_bytes)} are free, "
    return f"out of memory: {free}about {format_bytes(needed_bytes)} are needed"
