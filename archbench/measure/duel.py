"""A against B: both loaded in processes of their own, a block of one and a block of the other in turn.

Beside them stands A a second time: how far A seems to differ from itself is the floor below which nothing can be told.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from archbench.errors import MeasurementError
from archbench.measure.pairs import Comparison, abba, compare_pairs
from archbench.measure.processes import reason, worker
from archbench.measure.request import Request

ROUNDS = 3
PAIRS_A_ROUND = 7


@dataclass(frozen=True, slots=True)
class Duel:
    """What came of it, with the raw times of one sample's share of a step: seconds an image, pair by pair."""

    comparison: Comparison
    a_s: tuple[float, ...]
    b_s: tuple[float, ...]
    again_s: tuple[float, ...]


def duel(a: Request, b: Request, on_progress: Callable[[str], None]) -> Duel:
    """Return how A compares with B, from fresh processes in every round. Raises MeasurementError if one fails."""
    times: dict[str, list[float]] = {"a": [], "b": [], "again": [], "floor": []}
    for number in range(ROUNDS):
        on_progress(f"round {number + 1} of {ROUNDS}")
        with ExitStack() as stack:
            arms = {
                name: stack.enter_context(_Arm(replace(request, seed=number)))
                for name, request in (("a", a), ("b", b), ("again", a))
            }
            for first, second in abba(PAIRS_A_ROUND):
                for name in (first, second):
                    times[name].append(arms[name].block_s())
            for first, second in abba(PAIRS_A_ROUND):
                for name in (first, second):
                    times["floor" if name == "a" else "again"].append(arms["a" if name == "a" else "again"].block_s())
    if min(map(min, times.values())) <= 0:
        raise MeasurementError("a block took no time: the clock stands still")
    floor = compare_pairs(times["floor"], times["again"]).difference
    comparison = compare_pairs(times["a"], times["b"], floor)
    return Duel(comparison, tuple(times["a"]), tuple(times["b"]), tuple(times["again"]))


class _Arm:
    """A process that has a model loaded and warmed up, and runs a block whenever it is asked."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._stack = ExitStack()

    def __enter__(self) -> _Arm:
        self._errors = self._stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace"))
        self._process: subprocess.Popen[str] = self._stack.enter_context(worker(self._errors))
        try:
            self._send(replace(self._request, serves=True).to_json())
            self._answer("ready")
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def block_s(self) -> float:
        """Return the seconds that an image took in one block."""
        self._send("block")
        return float(self._answer("block")["step_s"]) / self._request.batch

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None, "it is a pipe"
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._failure() from error

    def _answer(self, expected: str) -> dict[str, Any]:
        assert self._process.stdout is not None, "it is a pipe"
        for line in self._process.stdout:
            said: dict[str, Any] = json.loads(line)
            if said["event"] == expected:
                return said
            if said["event"] == "oom":
                raise MeasurementError(f"{self._request.model}: out of memory")
        raise self._failure()

    def _failure(self) -> MeasurementError:
        """Return how the process ended."""
        code = self._process.wait()
        self._errors.seek(0)
        return MeasurementError(f"{self._request.model}: {reason(code, self._errors.read())}")
