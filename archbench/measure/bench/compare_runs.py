"""Compare two stored runs by their raw samples, and list what else differs between them.

The runs were not measured in turns: changes of the machine between them affect the ratio and are not in its interval.
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

# State of the machine that differs between any two runs.
_TRANSIENT = frozenset(
    (
        *("date", "seed", "cpu_clock_hz", "load_1min", "memory_free_bytes", "gpu_free_bytes", "gpu_clock_hz"),
        *("gpu_memory_clock_hz", "gpu_temperature_c", "gpu_throttle_reasons", "gpu_while_measuring"),
    )
)


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of the configuration or environment that differs between two runs, with both values."""

    field: str
    a: Any
    b: Any


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Speed of run A relative to run B; `verdict` describes A.

    `ratio` is the median time per image of B divided by that of A; `low` and `high` bound its 95% interval.
    """

    ratio: float
    low: float
    high: float
    verdict: Verdict
    differences: tuple[Difference, ...]


def compare_runs(a: Result, b: Result) -> RunComparison:
    """Compare run A with run B. Raises UsageError for a run without samples, such as one that failed."""
    interval = median_ratio_interval(_groups(b), _groups(a))
    # Samples are times per step, and the batches may differ.
    scale = a.configuration.batch / b.configuration.batch
    ratio, low, high = (scale * value for value in (interval.median, interval.low, interval.high))
    return RunComparison(ratio, low, high, _verdict(low, high), tuple(_differences(a, b)))


def _groups(result: Result) -> list[tuple[float, ...]]:
    """Return the samples of each process, or all in one group if the processes are unknown."""
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


def _differences(a: Result, b: Result) -> Iterator[Difference]:
    yield from _differing(asdict(a.configuration), asdict(b.configuration))
    if a.machine != b.machine:
        yield Difference("machine", a.machine, b.machine)
    yield from _differing(_settings(a.environment), _settings(b.environment))


def _settings(environment: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in environment.items() if name not in _TRANSIENT}


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield what differs, recursing into mappings such as flags and variables."""
    for name in dict.fromkeys((*a, *b)):
        one, other = a.get(name), b.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _differing(one, other)
        elif one != other:
            yield Difference(name, one, other)
