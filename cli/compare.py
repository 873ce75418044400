"""`archbench compare`: one row a model."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import Batch, Csv, FormatOption, Inputs, Mode, Models, ModeOption, Output

Baseline = Annotated[str | None, typer.Option("--baseline", metavar="MODEL", help="Ratios refer to it, not the first.")]


def compare(
    models: Models,
    input: Inputs = None,
    batch: Batch = 1,
    mode: ModeOption = Mode.eval,
    baseline: Baseline = None,
    format: FormatOption = None,
    output: Output = None,
    csv: Csv = None,
) -> None:
    """Compare models, one row each.

    Parameters, MACs, FLOPs, neurons and reported error, with ratios to the first model.

    Example: archbench compare alexnet zfnet vgg16 --csv compare.csv
    """
    from archbench.errors import UsageError, nearest
    from cli.output import destination

    target = destination(format, output, csv)
    if baseline is not None and baseline not in models:
        raise UsageError(f"--baseline {baseline} is not one of {', '.join(models)}{nearest(baseline, models)}")

    from archbench.report.layouts import comparison_table
    from cli.loading import count

    all_counted = [count(model, input, batch, mode) for model in models]
    rows = [counted.row() for counted in all_counted]
    protocols = [
        f"{counted.summary.model}: reported error on {counted.card.reported_protocol}."
        for counted in all_counted
        if counted.card and counted.card.reported_protocol
    ]
    first = models.index(baseline) if baseline else 0
    said = [caveat for counted in all_counted for caveat in counted.summary.caveats]
    target.deliver(comparison_table(rows, baseline=first, batch=batch, mode=mode.value, notes=protocols, caveats=said))
