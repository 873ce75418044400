"""`archbench results` lists stored measurements; `results compare` and `results trainings` are its subcommands."""

from __future__ import annotations

from typing import Any

import typer

import archbench
from archbench.errors import UsageError
from cli import measure_options as options
from cli.help_screens import HelpCommand, HelpGroup
from cli.options import StorePath
from cli.output import Destination, output_options

results = typer.Typer(name="results", cls=HelpGroup, invoke_without_command=True, rich_markup_mode=None)


@results.callback()
@output_options
def list_results(
    context: typer.Context,
    store: StorePath = None,
    model: options.StoredModel = None,
    status: options.StoredStatus = None,
    mode: options.StoredMode = None,
    device: options.StoredDevice = None,
    dtype: options.StoredDtype = None,
    batch: options.StoredBatch = None,
    limit: options.Limit = None,
    import_: options.Import = None,
    published: options.Published = False,
    raw: options.Raw = False,
    *,
    target: Destination,
) -> None:
    """List what 'archbench bench' stored, newest first.

    Failed and flagged configurations are stored too. Tables hide implausible rates; CSV and JSON have them beside the
    status. Published results are listed with --published only.

    Example: archbench results --model vgg16 --status ok --csv vgg16.csv
    """
    if context.invoked_subcommand is not None:
        _require_no_options(context)
        return
    if raw and target.format != "json":
        raise UsageError("--raw adds what no table has room for; it goes with --format json")
    if published and (status or raw):
        raise UsageError("--published lists no measurements; leave --status and --raw out")
    from archbench.api.published import import_sources, published_results

    import_sources(import_ or (), store=store)
    wanted: dict[str, Any] = {
        "model": model,
        "mode": mode,
        "device": device,
        "dtype": dtype,
        "batch": batch,
        "limit": limit,
    }
    if published:
        target.deliver(published_results(**wanted, store=store))
    else:
        target.deliver(archbench.results(**wanted, status=status, raw=raw, store=store))


@results.command(cls=HelpCommand)
@output_options
def compare(run_a: options.FirstRun, run_b: options.SecondRun, store: StorePath = None, *, target: Destination) -> None:
    """Compare two stored runs by their raw samples.

    Shows the ratio of their medians with its 95% interval, and what else differs. The runs were not measured in turns,
    so this is less certain than 'archbench bench A --versus B'.

    Example: archbench results compare 1f3a9c 77b2e0
    """
    from archbench.api.results import compare_results

    target.deliver(compare_results(run_a, run_b, store=store))


@results.command(cls=HelpCommand)
@output_options
def trainings(
    model: options.StoredModel = None,
    limit: options.Limit = None,
    store: StorePath = None,
    *,
    target: Destination,
) -> None:
    """List what 'archbench train' stored, newest first.

    One row per model and run.

    Example: archbench results trainings --model lenet
    """
    from archbench.api.results import trainings as stored_trainings

    target.deliver(stored_trainings(model=model, limit=limit, store=store))


def _require_no_options(context: typer.Context) -> None:
    """Raise UsageError for options of the list before another command, where they have no effect."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = f"--{name.strip('_').replace('_', '-')}"
            raise UsageError(
                f"{option} before '{context.invoked_subcommand}' belongs to the list; write it after, or leave it out"
            )
