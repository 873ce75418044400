"""Two stored runs against each other, by their raw samples, and in what else they differ.

They were not measured in turns: what changed on the machine between them is in their ratio, and no interval knows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from archbench.errors import UsageError
from archbench.statistics.pairs import LEAST_DIFFERENCE, Verdict
from archbench.statistics.samples import median_ratio_interval
from archbench.store.records import Result

# These differ between any two runs, and are a state of the machine, not a setting.
_PASSING = frozenset(
    (
        *("date", "seed", "cpu_clock_hz", "load_1min", "memory_free_bytes", "gpu_free_bytes", "gpu_clock_hz"),
        *("gpu_memory_clock_hz", "gpu_temperature_c", "gpu_throttle_reasons", "gpu_while_measuring"),
    )
)


@dataclass(frozen=True, slots=True)
class Differing:
    """Something that is not the same in both runs: a field of the configuration or environment, with both values."""

    field: str
    a: Any
    b: Any


@dataclass(frozen=True, slots=True)
class RunComparison:
    """How fast run A is against run B; the verdict is A's.

    `ratio` is the median time of an image in B divided by that in A, low and high bound its 95% interval.
    """

    ratio: float
    low: float
    high: float
    verdict: Verdict
    differences: tuple[Differing, ...]


def compare_runs(a: Result, b: Result) -> RunComparison:
    """Return how A compares with B. Raises UsageError for a run without samples: one that failed, say."""
    interval = median_ratio_interval(_groups(b), _groups(a))
    # Samples are times of a step, and steps of different batches differ in what they do.
    scale = a.configuration.batch / b.configuration.batch
    ratio, low, high = (scale * value for value in (interval.median, interval.low, interval.high))
    return RunComparison(ratio, low, high, _verdict(low, high), tuple(_differences(a, b)))


def _groups(result: Result) -> list[tuple[float, ...]]:
    """Return the samples of each process; of all together where it is not known which are whose."""
    if not result.samples_s or min(result.samples_s) <= 0:
        raise UsageError(f"run {result.run_id[:8]} is {result.status} and has no samples to compare: {result.reason}")
    if sum(result.samples_per_process) != len(result.samples_s):
        return [result.samples_s]
    samples = iter(result.samples_s)
    return [tuple(islice(samples, count)) for count in result.samples_per_process]


def _verdict(low: float, high: float) -> Verdict:
    if low > 1 + LEAST_DIFFERENCE:
        return "faster"
    if high < 1 / (1 + LEAST_DIFFERENCE):
        return "slower"
    return "no difference above the noise"


def _differences(a: Result, b: Result) -> Iterator[Differing]:
    yield from _differing(asdict(a.configuration), asdict(b.configuration))
    if a.machine != b.machine:
        yield Differing("machine", a.machine, b.machine)
    yield from _differing(_lasting(a.environment), _lasting(b.environment))


def _lasting(environment: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in environment.items() if name not in _PASSING}


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Differing]:
    """Yield what differs, going into what is itself a mapping: flags and variables."""
    for name in dict.fromkeys((*a, *b)):
        one, other = a.get(name), b.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _differing(one, other)
        elif one != other:
            yield Differing(name, one, other)
