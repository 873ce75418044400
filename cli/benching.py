"""What `archbench bench` does with a sweep: measure it, or compare two models in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from archbench.units import parse_range
from cli.output import note, warn

if TYPE_CHECKING:
    from pathlib import Path

    from archbench.measure.bench.sweep import Sweep
    from archbench.reporting.table import Table
    from archbench.store.records import Result


def parse_batches(text: str) -> list[int]:
    """Return the batch sizes that are listed; `auto` is the one that is to be found."""
    from archbench.measure.bench.sweep import AUTO

    words = text.split(",")
    numbers = [word for word in words if word != "auto"]
    listed = parse_range(",".join(numbers), "batch size") if numbers else []
    return [*listed, *([AUTO] if len(numbers) < len(words) else [])]


def list_of(option: str, text: str, choices: Sequence[str]) -> list[str]:
    """Return what a list of words names, each once."""
    return [one_of(option, word, choices) for word in dict.fromkeys(text.split(","))]


def one_of(option: str, word: str, choices: Sequence[str]) -> str:
    """Return the word. Raises UsageError if it is no choice."""
    from archbench.errors import UsageError, nearest

    if word not in choices:
        hint = nearest(word, choices) or f"; there are {', '.join(choices)}"
        raise UsageError(f"{option} {word} is none of its choices{hint}")
    return word


def require_sense(sweep: Sweep, *, phases: bool) -> None:
    """Raise UsageError for what a device does not have, or a mode."""
    from archbench.errors import UsageError

    if "tf32" in sweep.dtypes and sweep.kind != "cuda":
        raise UsageError(f"--dtype tf32 is of NVIDIA GPUs; a {sweep.kind} has none")
    if sweep.graphs and sweep.kind != "cuda":
        raise UsageError(f"--graphs replays CUDA graphs; a {sweep.kind} has none")
    if phases and "train" not in sweep.modes:
        raise UsageError("--phases times the phases of training steps; it goes with --mode train")
    if phases and sweep.graphs:
        raise UsageError("--phases waits after each phase, --graphs replays them as one; leave one of them out")


def duel_of(sweep: Sweep, other: str) -> tuple[Table, list[dict[str, Any]]]:
    """Return how the one model compares with the other, everything else alike: the table, and with it all samples."""
    from archbench.errors import UsageError
    from archbench.measure.bench.ab_test import duel
    from archbench.measure.bench.sweep import AUTO
    from archbench.reporting.tables.bench import duel_document, duel_table

    ones, others = ([*each.configurations()] for each in (sweep, replace(sweep, models=[other])))
    if len(ones) != 1 or sweep.batches == [AUTO]:
        raise UsageError(f"--versus {other} compares one configuration; name one model, batch, dtype, layout and mode")
    (request, configuration), (against, _) = ones[0], others[0]
    _warn_of_load()
    found = duel(request, against, note)
    table = duel_table(found, configuration=configuration, other=other)
    return table, duel_document(table, found)


def measured(sweep: Sweep, path: Path | None, *, rerun: bool, phases: bool) -> list[Result]:
    """Return a result for each configuration: kept ones, and those measured now, which are kept as they come."""
    from archbench.host.machine import machine
    from archbench.measure.bench.runner import Campaign
    from archbench.store.database import Store, default_path
    from cli.progress.bench import Progress

    todo = list(sweep.configurations())
    _warn_of_load()
    with Store(path or default_path()) as store:
        campaign = Campaign(todo, store, machine(), rerun=rerun, phases=phases)
        if campaign.num_kept:
            note(f"{campaign.num_kept} of {len(todo)} were measured before; --rerun measures them anew")
        with Progress(len(todo), campaign.num_kept) as progress:
            return list(campaign.run(progress))


def _warn_of_load() -> None:
    from archbench.host.environment import environment, load_warning

    warning = load_warning(environment("cpu"))
    if warning is not None:
        warn(warning)
