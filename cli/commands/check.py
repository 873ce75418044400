"""`archbench check`: hold a model to limits, for pre-commit hooks and continuous integration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import Batch, Inputs, Model, ModeOption
from cli.output import Destination, output_options

_PEAKS = {"eval": "peak_inference_bytes", "train": "peak_training_bytes"}

Against = Annotated[Path | None, typer.Option("--against", metavar="PATH", help="No total may exceed this summary's.")]
Update = Annotated[bool, typer.Option("--update", help="Write the model's summary to --against instead of reading it.")]


@output_options
def check(
    model: Model,
    max_params: Annotated[str | None, typer.Option(metavar="COUNT", help="Such as 5M.")] = None,
    max_macs: Annotated[str | None, typer.Option(metavar="COUNT", help="Such as 600M.")] = None,
    max_flops: Annotated[str | None, typer.Option(metavar="COUNT", help="Such as 1.2G.")] = None,
    max_param_bytes: Annotated[str | None, typer.Option(metavar="BYTES", help="Such as 20MiB.")] = None,
    max_peak_memory: Annotated[str | None, typer.Option(metavar="BYTES", help="Such as 2GiB; in --mode.")] = None,
    against: Against = None,
    update: Update = False,
    input: Inputs = None,
    batch: Batch = 1,
    mode: ModeOption = "eval",
    *,
    target: Destination,
) -> None:
    """Hold a model to limits; exit 1 if one is missed.

    Example: archbench check net.py:Net --max-params 5M --max-macs 600M --against baseline.json
    """
    from archbench.analyze.limits import Limit, check_limits
    from archbench.errors import UsageError
    from archbench.files import write_whole
    from archbench.reporting.export.json import to_json
    from archbench.reporting.tables.model import limits_table
    from archbench.units import parse_bytes, parse_count
    from cli.baseline import read_baseline
    from cli.loading import count
    from cli.output import note

    options = {
        "params": ("--max-params", max_params, parse_count),
        "macs": ("--max-macs", max_macs, parse_count),
        "flops": ("--max-flops", max_flops, parse_count),
        "param_bytes": ("--max-param-bytes", max_param_bytes, parse_bytes),
        _PEAKS[mode]: ("--max-peak-memory", max_peak_memory, parse_bytes),
    }
    limits = [Limit(name, parse(text), option) for name, (option, text, parse) in options.items() if text is not None]
    if update and against is None:
        raise UsageError("--update writes the file that --against names; name one")
    if update and limits:
        raise UsageError("--update writes a baseline and checks nothing; leave the limits out")
    if not limits and against is None:
        raise UsageError("there is nothing to check; give a limit such as --max-params 5M, or --against PATH")
    baseline = None if against is None or update else read_baseline(against)

    summary = count(model, input, batch, mode).summary
    document = summary.to_dict()
    if against is not None and update:
        write_whole(against, to_json(document))
        note(f"wrote {against}")
    if baseline is not None:
        limits += baseline.limits(document)
    rows = check_limits(document["totals"], limits)
    if rows:
        target.deliver(limits_table(rows, model=model, caveats=summary.caveats))
    if any(row.verdict == "missed" for row in rows):
        raise typer.Exit(1)
