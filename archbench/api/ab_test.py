"""A/B test of two models on this machine."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from archbench.analyze.performance.kernels import Layout
from archbench.api.measuring import batch_sizes, configurations_here, require_address, require_positive, warn_of_load
from archbench.errors import UsageError
from archbench.host.machine import Kind
from archbench.measure.bench.ab_test import ABSamples, run_ab_test
from archbench.measure.worker.forks import forked_workers
from archbench.measure.worker.request import RunOptions
from archbench.models.loaded import Inputs
from archbench.precision import PrecisionName
from archbench.progress import Progress
from archbench.reporting.result import TableResult
from archbench.reporting.table import Table
from archbench.reporting.tables.bench_comparison import ab_test_document, ab_test_table
from archbench.statistics.pairs import Verdict
from archbench.store.records import Configuration
from archbench.trace.tracer import Mode
from archbench.units import format_ratio, parse_percent


@dataclass(frozen=True, repr=False)
class ABResult(TableResult):
    """The comparison of A with B, and its raw samples in seconds per image."""

    a: Configuration
    b: str
    samples: ABSamples
    max_slowdown: float | None = None

    @property
    def verdict(self) -> Verdict:
        """Whether A is faster or slower than B, or neither beyond the noise."""
        return self.samples.comparison.verdict

    @property
    def ratio(self) -> float:
        """The median time of B divided by that of A."""
        return self.samples.comparison.ratio

    @property
    def passed(self) -> bool:
        """Whether no slowdown beyond `max_slowdown` is shown.

        It is shown if A is slower beyond the noise, and all of the 95% interval is beyond the limit.
        """
        comparison, limit = self.samples.comparison, self.max_slowdown
        return limit is None or comparison.verdict != "slower" or comparison.least_slowdown <= limit

    def to_table(self) -> Table:
        """Return one row."""
        return ab_test_table(self.samples, a=self.a, b=self.b, max_slowdown=self.max_slowdown, passed=self.passed)

    def to_dict(self) -> list[dict[str, Any]]:
        """Return the row with all samples."""
        return ab_test_document(self.to_table(), self.samples)

    def __repr__(self) -> str:
        return f"<ABResult of {self.a.model} and {self.b}: {self.verdict}, {format_ratio(self.ratio)}>"


def ab_test(
    a: str,
    b: str,
    *,
    inputs: Inputs = None,
    batch: int = 1,
    mode: Mode = "eval",
    dtype: PrecisionName = "fp32",
    device: Kind | None = None,
    layout: Layout = "nchw",
    compile: bool = False,
    graphs: bool = False,
    threads: int | None = None,
    max_seconds: float = 60.0,
    cold: bool = False,
    max_slowdown: float | str | None = None,
    progress: Progress | None = None,
) -> ABResult:
    """Compare the speed of two models, timed in alternating blocks in processes of their own.

    Arguments are those of `archbench.bench`, with one value each; nothing is stored. A also runs against itself: the
    difference measured there is the noise floor. With `max_slowdown`, a fraction or text such as `"2%"`, the result's
    `passed` is False if A is shown to be slower than B by more than that.

    Raises TypeError if a model is not an address, MeasurementError if a process fails, and what `archbench.bench`
    raises.
    """
    addresses = [require_address(model, "ab_test") for model in (a, b)]
    require_positive(max_seconds=max_seconds)
    limit = parse_percent(max_slowdown) if isinstance(max_slowdown, str) else max_slowdown
    if limit is not None and limit < 0:
        raise UsageError("{max_slowdown} is negative; give a fraction such as 0.02", max_slowdown=limit)
    first, second = (
        configurations_here(
            [address], inputs=inputs, batch=batch_sizes(batch), mode=mode, dtype=dtype, device=device, layout=layout,
            compile=compile, graphs=graphs, threads=threads,
        )[0]
        for address in addresses
    )  # fmt: skip
    warn_of_load()
    # As many processes as a configuration has in `bench`, which share the time limit.
    options = RunOptions(max_seconds, 5 if first.kind == "cpu" else 1)
    with nullcontext() if cold else forked_workers():
        samples = run_ab_test(first, second, options, (progress or Progress()).note)
    return ABResult(first, b, samples, limit)
