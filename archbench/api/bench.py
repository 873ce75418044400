"""Throughput, latency and memory, measured on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from archbench.analyze.performance.kernels import Layout
from archbench.api.measuring import (
    as_list,
    batch_sizes,
    configurations_here,
    require_address,
    require_positive,
    warn_of_load,
)
from archbench.errors import UsageError
from archbench.host.machine import Kind, machine
from archbench.measure.bench.runner import Runner
from archbench.measure.worker.forks import forked_workers
from archbench.measure.worker.request import RunOptions
from archbench.models.loaded import Inputs
from archbench.models.patterns import expanded
from archbench.precision import PrecisionName
from archbench.progress import Progress
from archbench.reporting.result import TableResult
from archbench.reporting.table import Table
from archbench.reporting.tables.bench import bench_table
from archbench.store.database import Store
from archbench.store.records import Configuration, Result
from archbench.trace.tracer import Mode

BatchSize = int | Literal["auto"]


@dataclass(frozen=True, repr=False)
class BenchResults(TableResult):
    """One result per configuration, in order; a sequence of `Result`."""

    results: tuple[Result, ...]

    def to_table(self) -> Table:
        """Return one row per result."""
        first = self.results[0].configuration
        return bench_table(self.results, title=f"{first.device}, {first.kind}")

    @property
    def samples(self) -> tuple[tuple[float, ...], ...]:
        """The raw times of a step in seconds, for each result."""
        return tuple(result.samples_s for result in self.results)

    @property
    def is_ok(self) -> bool:
        """Whether every configuration was measured reliably."""
        return all(result.status == "ok" for result in self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __getitem__(self, index: int) -> Result:
        return self.results[index]

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)


def bench(
    models: str | Sequence[str],
    *,
    inputs: Inputs = None,
    batch: BatchSize | Sequence[BatchSize] = 1,
    mode: Mode | Sequence[Mode] = "eval",
    dtype: PrecisionName | Sequence[PrecisionName] = "fp32",
    device: Kind | None = None,
    layout: Layout | Sequence[Layout] = "nchw",
    compile: bool = False,
    graphs: bool = False,
    phases: bool = False,
    threads: int | None = None,
    processes: int | None = None,
    max_seconds: float = 60.0,
    cold: bool = False,
    rerun: bool = False,
    store: str | Path | None = None,
    progress: Progress | None = None,
) -> BenchResults:
    """Measure every combination of what is listed, each in new processes.

    Results are stored as they come: an interrupted call that is repeated continues with what is missing.

    Args:
        models: Addresses, such as `"vgg16"` or `"net.py:Net"`: new processes build the models.
        inputs: Shapes of a sample, such as `"3x224x224"`; each model's usual input by default.
        batch: Numbers of samples; `"auto"` is the largest batch that fits in memory safely.
        mode: `"train"` measures training steps with SGD and momentum.
        dtype: Names of precisions; `"amp"` and `"amp-fp16"` are autocast.
        device: `"cpu"`, `"cuda"` or `"mps"`; a GPU by default if there is one.
        layout: `"nhwc"` is torch's channels-last.
        compile: Run the model with torch.compile.
        graphs: Replay each step as a CUDA graph.
        phases: Also time the phases of training steps.
        threads: torch's threads on a CPU; all cores by default.
        processes: Processes per configuration; 5 on a CPU and 1 elsewhere by default.
        max_seconds: Time limit per configuration, excluding warm-up.
        cold: Start every process as a new interpreter; on a CPU they are forks of one that has imported torch by
            default, which takes less time.
        rerun: Measure again what the store has.
        store: Path of the store; by default in the user's data directory.
        progress: Receives progress updates.

    Returns:
        One result per configuration. Rates are images per second, times seconds; `status` says if it is reliable.

    Raises:
        TypeError: A model is not an address.
        UsageError: A value is not a valid choice, or the device or mode does not support it.
        AddressError, InputError, DeviceError, StoreError: As elsewhere, before anything is measured.
    """
    addresses = [require_address(model, "bench") for model in expanded(as_list(models))]
    require_positive(max_seconds=max_seconds, processes=processes)
    todo = configurations_here(
        addresses,
        inputs=inputs,
        batch=batch_sizes(batch, may_be_auto=True),
        mode=mode,
        dtype=dtype,
        device=device,
        layout=layout,
        compile=compile,
        graphs=graphs,
        threads=threads,
    )
    _check(todo, phases=phases)
    options = RunOptions(max_seconds, processes or (5 if todo[0].kind == "cpu" else 1), phases, cold)
    warn_of_load()
    with Store(store) as opened, nullcontext() if cold else forked_workers():
        runner = Runner(todo, options, opened, machine(), rerun=rerun)
        return BenchResults(tuple(runner.run(progress or Progress())))


def _check(todo: Sequence[Configuration], *, phases: bool) -> None:
    """Raise UsageError if nothing is to be measured, or phases of what has none."""
    if not todo:
        raise UsageError("{models} is empty; give at least one model", models=...)
    if phases and all(configuration.mode != "train" for configuration in todo):
        raise UsageError("{phases} times the phases of training steps; it requires {mode}", phases=True, mode="train")
    if phases and todo[0].graphs:
        raise UsageError(
            "{phases} synchronizes after each phase, {graphs} replays all phases at once; leave one of them out",
            phases=True, graphs=True,
        )  # fmt: skip
