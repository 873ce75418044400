"""`archbench check`: hold a model to limits, for pre-commit hooks and continuous integration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

import archbench
from cli.options import Batch, Inputs, Model, ModeOption
from cli.output import Destination, note, output_options

MaxParams = Annotated[str | None, typer.Option(metavar="COUNT", help="Most parameters: 5M.")]
MaxMacs = Annotated[str | None, typer.Option(metavar="COUNT", help="Most MACs: 600M.")]
MaxFlops = Annotated[str | None, typer.Option(metavar="COUNT", help="Most FLOPs: 1.2G.")]
MaxParamBytes = Annotated[str | None, typer.Option(metavar="SIZE", help="Most bytes of parameters: 20MiB.")]
MaxPeakMemory = Annotated[str | None, typer.Option(metavar="SIZE", help="Highest peak memory in --mode: 2GiB.")]
Against = Annotated[
    Path | None, typer.Option("--against", metavar="PATH", help="A summary saved as JSON; its totals are the limits.")
]
Update = Annotated[
    bool, typer.Option("--update", help="Write the summary to --against, a .json file, and check nothing.")
]


@output_options
def check(
    model: Model,
    max_params: MaxParams = None,
    max_macs: MaxMacs = None,
    max_flops: MaxFlops = None,
    max_param_bytes: MaxParamBytes = None,
    max_peak_memory: MaxPeakMemory = None,
    against: Against = None,
    update: Update = False,
    input: Inputs = None,
    batch: Batch = 1,
    mode: ModeOption = "eval",
    *,
    target: Destination,
) -> None:
    """Check a model against limits, for pre-commit and CI.

    Exits with 1 if a limit is exceeded. MACs are multiply-accumulates of convolutions and matrix products, FLOPs every
    floating-point operation; counts are for the whole batch.

    Example: archbench check net.py:Net --max-params 5M --max-macs 600M --against baseline.json
    """
    limits = {
        "max_params": max_params,
        "max_macs": max_macs,
        "max_flops": max_flops,
        "max_param_bytes": max_param_bytes,
        "max_peak_memory": max_peak_memory,
    }
    if update:
        path = _to_update(against, any(limit is not None for limit in limits.values()))
        archbench.summarize(model, input, batch=batch, mode=mode).save(path, "json")
        note(f"wrote {path}")
        return
    result = archbench.check(model, input, **limits, baseline=against, batch=batch, mode=mode)
    options = {name: f"--{name.replace('_', '-')}" for name in limits}
    rows = tuple(replace(row, source=options.get(row.source, row.source)) for row in result.rows)
    target.deliver(replace(result, rows=rows))
    if not result.passed:
        raise typer.Exit(1)


def _to_update(against: Path | None, has_limits: bool) -> Path:
    """Return the file that --update writes. Raises UsageError without one, or beside limits."""
    from archbench.errors import UsageError

    if against is None:
        raise UsageError("--update writes the file that --against names; name one")
    if has_limits:
        raise UsageError("--update writes a baseline and checks nothing; leave the limits out")
    if against.suffix.lower() != ".json":
        expected = against.with_suffix(".json").name
        raise UsageError(
            f"--update writes JSON, and --against '{against}' is not a .json file; did you mean '{expected}'?"
        )
    return against
