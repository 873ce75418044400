"""The sweep and the A/B test behind `archbench bench`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from archbench.units import parse_range
from cli.output import note, warn

if TYPE_CHECKING:
    from pathlib import Path

    from archbench.measure.worker.request import RunOptions
    from archbench.reporting.table import Table
    from archbench.store.records import Configuration, Result

Choice = TypeVar("Choice", bound=str)


def parse_batches(text: str) -> list[int]:
    """Return the batch sizes that are listed; `auto` is the one that is to be found."""
    from archbench.measure.bench.sweep import AUTO

    words = text.split(",")
    numbers = [word for word in words if word != "auto"]
    listed = parse_range(",".join(numbers), "batch size") if numbers else []
    return [*listed, *([AUTO] if len(numbers) < len(words) else [])]


def list_of(option: str, text: str, choices: Sequence[Choice]) -> list[Choice]:
    """Return what a list of words names, each once."""
    return [one_of(option, word, choices) for word in dict.fromkeys(text.split(","))]


def one_of(option: str, word: str, choices: Sequence[Choice]) -> Choice:
    """Return the word. Raises UsageError if it is no choice."""
    from archbench.errors import UsageError, nearest

    for choice in choices:
        if choice == word:
            return choice
    hint = nearest(word, choices) or f"; there are {', '.join(choices)}"
    raise UsageError(f"{option} {word} is none of its choices{hint}")


def require_sense(configurations: Sequence[Configuration], *, phases: bool) -> None:
    """Raise UsageError for what a device does not have, or a mode."""
    from archbench.errors import UsageError

    kind, graphs = configurations[0].kind, configurations[0].graphs
    if kind != "cuda" and any(configuration.dtype == "tf32" for configuration in configurations):
        raise UsageError("--dtype tf32 requires an NVIDIA GPU")
    if graphs and kind != "cuda":
        raise UsageError("--graphs requires an NVIDIA GPU")
    if phases and all(configuration.mode != "train" for configuration in configurations):
        raise UsageError("--phases times the phases of training steps; it goes with --mode train")
    if phases and graphs:
        raise UsageError("--phases waits after each phase, --graphs replays them as one; leave one of them out")


def ab_test_of(
    a: Sequence[Configuration], b: Configuration, other: str, options: RunOptions
) -> tuple[Table, list[dict[str, Any]]]:
    """Return the table of an A/B test and its document."""
    from archbench.errors import UsageError
    from archbench.measure.bench.ab_test import run_ab_test
    from archbench.measure.bench.sweep import AUTO
    from archbench.reporting.tables.bench_comparison import ab_test_document, ab_test_table

    if len(a) != 1 or a[0].batch == AUTO:
        raise UsageError(f"--versus {other} compares one configuration; name one model, batch, dtype, layout and mode")
    _warn_of_load()
    samples = run_ab_test(a[0], b, options, note)
    table = ab_test_table(samples, a=a[0], b=other)
    return table, ab_test_document(table, samples)


def measured(
    configurations: Sequence[Configuration], options: RunOptions, path: Path | None, *, rerun: bool
) -> list[Result]:
    """Return a result for each configuration, measured now or before."""
    from archbench.host.machine import machine
    from archbench.measure.bench.runner import Runner
    from archbench.store.database import Store, default_path
    from cli.progress.bench import BenchProgress

    _warn_of_load()
    with Store(path or default_path()) as store:
        runner = Runner(configurations, options, store, machine(), rerun=rerun)
        if runner.num_stored:
            note(f"{runner.num_stored} of {len(configurations)} were measured before; --rerun measures them anew")
        with BenchProgress() as progress:
            return list(runner.run(progress))


def _warn_of_load() -> None:
    from archbench.host.environment import environment, load_warning

    warning = load_warning(environment("cpu"))
    if warning is not None:
        warn(warning)
