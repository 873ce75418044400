"""Time a step: warm up, then time blocks of steps until their median is known.

Nothing here reads a clock. The subject returns the time of a block, so that a GPU is timed between two events, a CPU
with `perf_counter_ns`, and a test with a script.
"""

from __future__ import annotations

import math
import statistics as plain
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from archbench.measure.bench.sample_quality import correlation_flags, drift_flags, spread_flags, unique_flags
from archbench.statistics.samples import grouped_median_interval, median_interval
from archbench.units import format_time

# Blocks are a little longer than required, because steps may get faster.
_MARGIN = 1.1
# A single block may mislead: the next has at most ten times its steps.
_MAX_GROWTH = 10
_RECENT_SAMPLES = 5


class Subject(Protocol):
    """Steps that can be timed."""

    def run(self, steps: int) -> float:
        """Run a block of steps and return its time in seconds."""


@dataclass(frozen=True, slots=True)
class Policy:
    """When a device is warm, how long a block is, and when enough blocks have been timed.

    Warm-up ends after `warm_up_steps` and `warm_up_s`, once the medians of both halves of the last `settled_samples`
    blocks agree within `settled_within`, at the latest after `warm_up_most_s`. Timing ends after `least_blocks` and
    `least_s`, once the interval of the median is within `precision` of it (None: not required). It ends anyway at
    `most_s`, but not before `floor_blocks`.
    """

    warm_up_steps: int
    warm_up_s: float
    warm_up_most_s: float
    settled_samples: int
    settled_within: float
    block_s: float
    least_blocks: int
    least_s: float
    most_s: float
    precision: float | None
    floor_blocks: int

    def share(self, processes: int) -> Policy:
        """Return the policy of each process if several measure one configuration together."""
        return replace(
            self,
            least_blocks=math.ceil(self.least_blocks / processes),
            least_s=self.least_s / processes,
            most_s=self.most_s / processes,
            floor_blocks=math.ceil(self.floor_blocks / processes),
        )


GPU = Policy(
    warm_up_steps=10,
    warm_up_s=2.0,
    warm_up_most_s=30.0,
    settled_samples=40,
    settled_within=0.02,
    block_s=0.05,
    least_blocks=30,
    least_s=3.0,
    most_s=60.0,
    precision=0.005,
    floor_blocks=1,
)

# For a whole configuration: 5 processes of 10 blocks each use CPU.share(5). A CPU's clock settles at once, so warm-up
# only has to touch all memory.
CPU = Policy(
    warm_up_steps=2,
    warm_up_s=0.5,
    warm_up_most_s=5.0,
    settled_samples=0,
    settled_within=0.02,
    block_s=0.1,
    least_blocks=50,
    least_s=0.0,
    most_s=60.0,
    precision=None,
    floor_blocks=5,
)


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of one step in seconds, one sample per block, and the median with its 95% interval.

    `flags` begin with their topic: `clock`, `warm-up`, `drift`, `correlation`, `outliers` or `noise`. Samples are never
    dropped.
    """

    samples_s: tuple[float, ...]
    steps_per_block: int
    warm_up_s: float
    warm_up_steps: int
    status: Literal["ok", "not_converged"]
    median_s: float
    low_s: float
    high_s: float
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _WarmUp:
    steps: int
    elapsed_s: float
    steps_per_block: int
    flags: tuple[str, ...]


def time_steps(subject: Subject, policy: Policy) -> Timing:
    """Warm up a subject and time it until the policy is satisfied, or not converged when the time is up."""
    warm_up = _warm_up(subject, policy)
    samples: list[float] = []
    elapsed_s = 0.0
    is_enough = is_over = False
    while not (is_enough or is_over):
        block_s = subject.run(warm_up.steps_per_block)
        samples.append(block_s / warm_up.steps_per_block)
        elapsed_s += block_s
        # If the clock stands still, the time would never be up.
        is_over = block_s <= 0 or (elapsed_s >= policy.most_s and len(samples) >= policy.floor_blocks)
        is_enough = block_s > 0 and _is_enough(samples, elapsed_s, policy)
    interval = median_interval(samples)
    return Timing(
        samples_s=tuple(samples),
        steps_per_block=warm_up.steps_per_block,
        warm_up_s=warm_up.elapsed_s,
        warm_up_steps=warm_up.steps,
        status="ok" if is_enough else "not_converged",
        median_s=interval.median,
        low_s=interval.low,
        high_s=interval.high,
        flags=(*warm_up.flags, *drift_flags(samples), *correlation_flags(samples), *spread_flags(samples)),
    )


def combine(*parts: Timing) -> Timing:
    """Return the timings of several processes of one configuration as one, which is converged if every part is.

    `steps_per_block` is the smallest of the parts. Flags are those of all samples together and of any part.
    """
    samples = tuple(sample for part in parts for sample in part.samples_s)
    interval = grouped_median_interval([part.samples_s for part in parts])
    return Timing(
        samples_s=samples,
        steps_per_block=min(part.steps_per_block for part in parts),
        warm_up_s=sum(part.warm_up_s for part in parts),
        warm_up_steps=sum(part.warm_up_steps for part in parts),
        status="ok" if all(part.status == "ok" for part in parts) else "not_converged",
        median_s=interval.median,
        low_s=interval.low,
        high_s=interval.high,
        flags=unique_flags((*spread_flags(samples), *(flag for part in parts for flag in part.flags))),
    )


def _warm_up(subject: Subject, policy: Policy) -> _WarmUp:
    samples: list[float] = []
    steps, done, elapsed_s, block_s = 1, 0, 0.0, math.inf
    while elapsed_s < policy.warm_up_most_s and block_s > 0:
        block_s = subject.run(steps)
        samples.append(block_s / steps)
        done += steps
        elapsed_s += block_s
        is_long = done >= policy.warm_up_steps and elapsed_s >= policy.warm_up_s and block_s >= policy.block_s
        if is_long and _is_settled(samples, policy):
            break
        if 0 < block_s < policy.block_s:
            steps = min(_steps_of_block(block_s / steps, policy), _MAX_GROWTH * steps)
    recent_s = plain.median(samples[-_RECENT_SAMPLES:])
    return _WarmUp(
        steps=done,
        elapsed_s=elapsed_s,
        steps_per_block=_steps_of_block(recent_s, policy) if recent_s > 0 else steps,
        flags=() if _do_halves_agree(samples, policy) else _unsettled_flags(elapsed_s),
    )


def _steps_of_block(step_s: float, policy: Policy) -> int:
    """Return the number of steps in a block, with a margin."""
    return 1 if step_s >= policy.block_s else math.ceil(_MARGIN * policy.block_s / step_s)


def _is_settled(samples: Sequence[float], policy: Policy) -> bool:
    return len(samples) >= policy.settled_samples and _do_halves_agree(samples, policy)


def _do_halves_agree(samples: Sequence[float], policy: Policy) -> bool:
    """Compare the medians of both halves of the last samples."""
    last = samples[-policy.settled_samples :] if policy.settled_samples else ()
    if len(last) < 2:
        return True
    middle = len(last) // 2
    first, second = plain.median(last[:middle]), plain.median(last[middle:])
    return abs(second - first) <= policy.settled_within * first


def _is_enough(samples: Sequence[float], elapsed_s: float, policy: Policy) -> bool:
    if len(samples) < policy.least_blocks or elapsed_s < policy.least_s:
        return False
    return policy.precision is None or median_interval(samples).is_within(policy.precision)


def _unsettled_flags(elapsed_s: float) -> tuple[str, ...]:
    return (f"warm-up: not settled after {format_time(elapsed_s)}",)
