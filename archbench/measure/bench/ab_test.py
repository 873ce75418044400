"""A against B: both loaded in processes of their own, a block of one and a block of the other in turn.

Beside them stands A a second time: how far A seems to differ from itself is the floor below which nothing can be told.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Protocol

from archbench.errors import MeasurementError
from archbench.host.exit_reason import reason
from archbench.measure.worker.process import worker
from archbench.measure.worker.request import Request
from archbench.statistics.pairs import Comparison, abba, compare_pairs

ROUNDS = 3
PAIRS_A_ROUND = 7


@dataclass(frozen=True, slots=True)
class Duel:
    """What came of it, with the raw times of one sample's share of a step: seconds an image, pair by pair."""

    comparison: Comparison
    a_s: tuple[float, ...]
    b_s: tuple[float, ...]
    again_s: tuple[float, ...]


class Arm(Protocol):
    """A model that is loaded and warm."""

    def block_s(self) -> float:
        """Return the seconds that an image took in one block."""


@dataclass(frozen=True, slots=True)
class Round:
    """The processes of one round: A, B, and A once more."""

    a: Arm
    b: Arm
    again: Arm


def duel(a: Request, b: Request, on_progress: Callable[[str], None]) -> Duel:
    """Return how A compares with B, from fresh processes in every round. Raises MeasurementError if one fails."""
    # However it ends, no process is left behind.
    with closing(_fresh_rounds(a, b, on_progress)) as rounds:
        return duel_of_rounds(rounds)


def duel_of_rounds(rounds: Iterable[Round]) -> Duel:
    """Return how A compares with B: in each round first A and B take turns, then A and A again."""
    a_s: list[float] = []
    b_s: list[float] = []
    floor_s: list[float] = []
    again_s: list[float] = []
    for one in rounds:
        _take_turns(one.a, one.b, a_s, b_s)
        _take_turns(one.a, one.again, floor_s, again_s)
    if min(*a_s, *b_s, *floor_s, *again_s) <= 0:
        raise MeasurementError("a block took no time: the clock stands still")
    floor = compare_pairs(floor_s, again_s).difference
    return Duel(compare_pairs(a_s, b_s, floor), tuple(a_s), tuple(b_s), tuple(again_s))


def _take_turns(a: Arm, b: Arm, a_s: list[float], b_s: list[float]) -> None:
    """Add what the blocks of one round took."""
    for name in chain.from_iterable(abba(PAIRS_A_ROUND)):
        if name == "a":
            a_s.append(a.block_s())
        else:
            b_s.append(b.block_s())


def _fresh_rounds(a: Request, b: Request, on_progress: Callable[[str], None]) -> Generator[Round]:
    """Yield rounds of fresh processes, which end when the next round begins."""
    for number in range(ROUNDS):
        on_progress(f"round {number + 1} of {ROUNDS}")
        with ExitStack() as stack:
            yield Round(*(stack.enter_context(served(replace(request, seed=number))) for request in (a, b, a)))


def served(request: Request) -> AbstractContextManager[Arm]:
    """Return a model that is loaded and warm in a fresh process, which ends with the `with`."""
    return _ServedArm(request)


class _ServedArm:
    """A process that has a model loaded and warmed up, and runs a block whenever it is asked."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._stack = ExitStack()

    def __enter__(self) -> _ServedArm:
        self._errors = self._stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace"))
        self._process: subprocess.Popen[str] = self._stack.enter_context(worker(self._errors))
        try:
            self._send(replace(self._request, task="serve").to_json())
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
            if said["event"] == "failed":
                raise MeasurementError(f"{self._request.model}: {said['reason']}")
        raise self._failure()

    def _failure(self) -> MeasurementError:
        """Return how the process ended."""
        code = self._process.wait()
        self._errors.seek(0)
        return MeasurementError(f"{self._request.model}: {reason(code, self._errors.read())}")
