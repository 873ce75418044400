"""`archbench results`: what was measured; `results compare`: two of it; `results trainings`: what was trained."""

from __future__ import annotations

import typer

import archbench
from archbench.errors import UsageError
from cli import measure_options as options
from cli.options import StorePath
from cli.output import Destination, output_options

results = typer.Typer(name="results", invoke_without_command=True, rich_markup_mode=None)


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
    raw: options.Raw = False,
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
    if raw and target.format != "json":
        raise UsageError("--raw adds what no table has room for; it goes with --format json")
    if import_ is not None:
        from archbench.api.results import import_results

        import_results(import_, store=store)
    stored = archbench.results(
        model=model, status=status, mode=mode, device=device, dtype=dtype, batch=batch, limit=limit, raw=raw,
        store=store,
    )  # fmt: skip
    target.deliver(stored)


@results.command()
@output_options
def compare(run_a: options.FirstRun, run_b: options.SecondRun, store: StorePath = None, *, target: Destination) -> None:
    """Compare two stored runs by their raw samples.

    The ratio of their medians with its 95% interval, and in what else they differ. Not measured in turns, they are
    less sure than 'archbench bench A --versus B'.

    Example: archbench results compare 1f3a9c 77b2e0
    """
    from archbench.api.results import compare_results

    target.deliver(compare_results(run_a, run_b, store=store))


@results.command()
@output_options
def trainings(
    model: options.StoredModel = None,
    limit: options.Limit = None,
    store: StorePath = None,
    *,
    target: Destination,
) -> None:
    """List what 'archbench train' came to, one row a model of each run, the newest first.

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
            raise UsageError(f"{option} before '{context.invoked_subcommand}' is of the list; write it after, or not")
