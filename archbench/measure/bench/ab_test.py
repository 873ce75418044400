"""A/B test: A and B in processes of their own, timed in alternating blocks.

A also runs a second time: the difference measured between A and A is the noise floor of the comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

from archbench.errors import MeasurementError
from archbench.measure.worker.client import Failure, Worker
from archbench.measure.worker.request import Request, RunOptions
from archbench.statistics.pairs import Comparison, abba, compare_pairs
from archbench.store.records import Configuration

# Few pairs a round, because processes differ by more than the blocks of a process do.
ROUNDS = 7
PAIRS_PER_ROUND = 3


@dataclass(frozen=True, slots=True)
class ABSamples:
    """An A/B test's comparison and its raw samples: seconds per image, pair by pair."""

    comparison: Comparison
    a_s: tuple[float, ...]
    b_s: tuple[float, ...]
    again_s: tuple[float, ...]


class Arm(Protocol):
    """A model that is loaded and warm."""

    def block_s(self) -> float:
        """Run a block and return its time per image in seconds."""


@dataclass(frozen=True, slots=True)
class Round:
    """The processes of one round: A, B, and A again."""

    a: Arm
    b: Arm
    again: Arm


def run_ab_test(a: Configuration, b: Configuration, options: RunOptions, on_round: Callable[[str], None]) -> ABSamples:
    """Compare A with B in new processes every round. Raises MeasurementError if a process fails."""
    with closing(_rounds(a, b, options, on_round)) as rounds:  # leaves no process behind
        return compare_rounds(rounds)


def compare_rounds(rounds: Iterable[Round]) -> ABSamples:
    """Time A and B in turns in each round, then A and A, and compare them."""
    compared, repeated = [], []
    for number, arms in enumerate(rounds):
        compared.append(_in_turns(arms.a, arms.b, is_b_first=number % 2 == 1))
        repeated.append(_in_turns(arms.a, arms.again, is_b_first=number % 2 == 1))
    (a_s, b_s), (floor_s, again_s) = zip(*compared, strict=True), zip(*repeated, strict=True)
    if min(map(min, (*a_s, *b_s, *floor_s, *again_s))) <= 0:
        raise MeasurementError("a block took no time: the clock stands still")
    floor = compare_pairs(floor_s, again_s).difference
    samples_s = (tuple(chain.from_iterable(each)) for each in (a_s, b_s, again_s))
    return ABSamples(compare_pairs(a_s, b_s, floor), *samples_s)


def _in_turns(a: Arm, b: Arm, *, is_b_first: bool) -> tuple[list[float], list[float]]:
    """Return the times of one round's blocks, pair by pair."""
    times: tuple[list[float], list[float]] = ([], [])
    for name in chain.from_iterable(abba(PAIRS_PER_ROUND, is_b_first=is_b_first)):
        times[name == "b"].append((b if name == "b" else a).block_s())
    return times


def _rounds(
    a: Configuration, b: Configuration, options: RunOptions, on_round: Callable[[str], None]
) -> Generator[Round]:
    """Yield rounds of new processes, which end when the next round begins."""
    for number in range(ROUNDS):
        on_round(f"round {number + 1} of {ROUNDS}")
        with ExitStack() as stack:
            yield Round(*(stack.enter_context(ServedArm(arm, options, number)) for arm in (a, b, a)))


class ServedArm:
    """A configuration that is loaded and warm in a process of its own, within a `with` block."""

    def __init__(self, configuration: Configuration, options: RunOptions, seed: int) -> None:
        self._configuration = configuration
        self._worker = Worker(Request("serve", configuration, options, seed))

    def __enter__(self) -> ServedArm:
        with ExitStack() as stack:
            stack.enter_context(self._worker)
            self._wait_for("ready")
            stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._worker.__exit__(*error)

    def block_s(self) -> float:
        """Run a block and return its time per image in seconds."""
        self._worker.send("block")
        return float(self._wait_for("block")["step_s"]) / self._configuration.batch

    def _wait_for(self, event: str) -> dict[str, Any]:
        values = self._worker.wait_for(event)
        if isinstance(values, Failure):
            raise MeasurementError(f"{self._configuration.model}: {values.reason}")
        return values
