"""Ask a fresh worker process, and hear what it answers or how it ended."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from archbench.measure.processes import reason, worker
from archbench.measure.request import Request
from archbench.units import format_bytes

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that gave no answer: what became of it. `code` is that of its end, None if it told itself."""

    status: Literal["oom", "failed"]
    reason: str
    code: int | None = None


def ask(request: Request, on_progress: Progress) -> dict[str, Any] | Ended:
    """Return what a fresh process answers, or how it ended without an answer.

    Of one that ends after its answer, the answer stands.
    """
    answered: dict[str, Any] = {}
    which = f", process {request.seed + 1} of {request.processes}" if request.processes > 1 else ""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors, worker(errors) as process:
        assert process.stdin is not None, "it is a pipe"
        assert process.stdout is not None, "it is a pipe"
        process.stdin.write(f"{request.to_json()}\n")
        process.stdin.close()
        for line in process.stdout:
            said = json.loads(line)
            event = said.pop("event")
            if event == "phase":
                on_progress(f"{said['what']}{which}")
            elif event == "answer":
                answered = said
            elif event == "done":
                return {**answered, **said}
            else:
                return Ended("oom", _memory(said))
        code = process.wait()
        if answered:
            return answered
        errors.seek(0)
        return Ended("failed", reason(code, errors.read()), code)


def _memory(said: dict[str, Any]) -> str:
    free = "" if said["free_bytes"] is None else f"{format_bytes(said['free_bytes'])} are free, "
    return f"out of memory: {free}about {format_bytes(said['needed_bytes'])} are needed"
