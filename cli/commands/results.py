"""`archbench results`: what was measured, and `archbench results compare`: two of it against each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import (
    Mode,
    StorePath,
    complete_model,
    complete_precision,
    parse_batch_size,
    result_filter,
)
from cli.output import Destination, output_options


def complete_status(incomplete: str) -> list[str]:
    """Return the statuses that begin so."""
    from archbench.store.records import STATUSES

    return [name for name in STATUSES if name.startswith(incomplete)]


def parse_limit(text: str | int) -> int:
    """Return a number of results."""
    if not str(text).isdecimal() or int(text) == 0:
        raise typer.BadParameter(f"'{text}' is no number of results; give a whole number from 1")
    return int(text)


results = typer.Typer(name="results", invoke_without_command=True, rich_markup_mode=None)


@results.callback()
@output_options
def list_results(
    context: typer.Context,
    store: StorePath = None,
    model: Annotated[str | None, typer.Option("--model", metavar="MODEL", autocompletion=complete_model)] = None,
    status: Annotated[
        str | None,
        typer.Option(
            "--status",
            metavar="STATUS",
            help="ok, not_converged, implausible, oom or failed.",
            autocompletion=complete_status,
        ),
    ] = None,
    mode: Annotated[Mode | None, typer.Option("--mode")] = None,
    device: Annotated[
        str | None, typer.Option("--device", metavar="DEVICE", help="cpu, cuda, mps, or a device's own name.")
    ] = None,
    dtype: Annotated[str | None, typer.Option("--dtype", metavar="DTYPE", autocompletion=complete_precision)] = None,
    batch: Annotated[int | None, typer.Option("--batch", metavar="N", parser=parse_batch_size)] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", parser=parse_limit, help="Only the newest N.")
    ] = None,
    import_: Annotated[
        Path | None, typer.Option("--import", metavar="PATH", help="First take over what another store has.")
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="With --format json: also samples, environment, flags and reason.")
    ] = False,
    *,
    target: Destination,
) -> None:
    """List what 'archbench bench' measured and kept, the newest first.

    Failed and flagged configurations are kept, too. An implausible rate is not shown to people; CSV and JSON have it
    beside its status.

    Example: archbench results --model vgg16 --status ok --csv vgg16.csv
    """
    if context.invoked_subcommand is not None:
        _require_no_options(context)
        return
    from archbench.errors import UsageError
    from archbench.reporting.tables.bench import bench_table, raw_document
    from archbench.store.database import Store, default_path, import_store
    from cli.output import note

    if raw and target.format != "json":
        raise UsageError("--raw adds what no table has room for; it goes with --format json")
    wanted = result_filter(model=model, status=status, mode=mode, device=device, dtype=dtype, batch=batch)
    path = store or default_path()
    if import_ is not None:
        new, learned = import_store(import_, path)
        note(f"imported {_counted(new, 'new result')} and {_counted(learned, 'new training')} from {import_}")
    found = []
    stored = Store(path, for_reading=True)
    if stored.exists():
        with stored:
            found = stored.results(wanted, limit=limit)
    else:
        note(f"there is no store '{path}' yet; 'archbench bench' fills it")
    table = bench_table(found, title=_counted(len(found), "result"))
    target.deliver(table, raw_document(found) if raw else None)


@results.command()
@output_options
def compare(
    run_a: Annotated[str, typer.Argument(metavar="RUN1", help="The beginning of a run's id is enough.")],
    run_b: Annotated[str, typer.Argument(metavar="RUN2", help="What it is compared with.")],
    store: StorePath = None,
    *,
    target: Destination,
) -> None:
    """Compare two stored runs by their raw samples.

    The ratio of their medians with its 95% interval, and in what else they differ. Not measured in turns, they are
    less sure than 'archbench bench A --versus B'.

    Example: archbench results compare 1f3a9c 77b2e0
    """
    from archbench.measure.bench.compare_runs import compare_runs
    from archbench.reporting.tables.bench_comparison import runs_table
    from archbench.store.database import Store, default_path

    with Store(store or default_path(), for_reading=True) as kept:
        a, b = kept.find(run_a), kept.find(run_b)
    target.deliver(runs_table(compare_runs(a, b), a, b))


@results.command()
@output_options
def trainings(
    model: Annotated[str | None, typer.Option("--model", metavar="MODEL", autocompletion=complete_model)] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", parser=parse_limit, help="Only the newest N.")
    ] = None,
    store: StorePath = None,
    *,
    target: Destination,
) -> None:
    """List what 'archbench train' came to, one row a model of each run, the newest first.

    Example: archbench results trainings --model lenet
    """
    from archbench.models.identity import resolved
    from archbench.reporting.tables.train import trainings_table
    from archbench.store.database import Store, default_path
    from cli.output import note

    path = store or default_path()
    stored = Store(path, for_reading=True)
    if not stored.exists():
        note(f"there is no store '{path}' yet; 'archbench train' fills it")
        target.deliver(trainings_table([]))
        return
    # Earlier versions kept a file's model as it was typed.
    names = [] if model is None else [model, resolved(model)]
    with stored:
        found = stored.trainings(*names, limit=limit)
    target.deliver(trainings_table(found))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _require_no_options(context: typer.Context) -> None:
    """Raise UsageError for options of the list that stand before another command, where they would mean nothing."""
    from archbench.errors import UsageError

    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = f"--{name.strip('_').replace('_', '-')}"
            raise UsageError(f"{option} before '{context.invoked_subcommand}' is of the list; write it after, or not")
