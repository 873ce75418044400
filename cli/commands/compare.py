"""`archbench compare`: one row per model."""

from __future__ import annotations

from typing import Annotated

import typer

import archbench
from cli.options import (
    AttentionOption,
    Batch,
    Columns,
    Depth,
    Inputs,
    Models,
    ModeOption,
    Percent,
    PublishedDevice,
    PublishedSource,
    Sort,
    StorePath,
    Sweep,
    Top,
)
from cli.output import Destination, output_options

Measured = Annotated[bool, typer.Option("--measured", help="Add the best rate measured on this machine.")]
Trained = Annotated[bool, typer.Option("--trained", help="Add the accuracy of the newest training run of each.")]
Published = Annotated[
    bool, typer.Option("--published", help="Add the published rate and accuracy, imported by results --import timm:.")
]
Baseline = Annotated[str | None, typer.Option("--baseline", metavar="MODEL", help="Ratios refer to it, not the first.")]


@output_options
def compare(
    models: Models,
    input: Inputs = None,
    batch: Batch = 1,
    mode: ModeOption = "eval",
    baseline: Baseline = None,
    attention: AttentionOption = "auto",
    measured: Measured = False,
    trained: Trained = False,
    published: Published = False,
    device: PublishedDevice = None,
    source: PublishedSource = None,
    store: StorePath = None,
    depth: Depth = None,
    top: Top = None,
    sort: Sort = None,
    columns: Columns = None,
    percent: Percent = False,
    sweep: Sweep = None,
    *,
    target: Destination,
) -> None:
    """Compare models, one row each.

    Parameters, MACs, FLOPs, neurons and reported error, with ratios to the first model.

    Example: archbench compare alexnet zfnet vgg16 --csv compare.csv
    """
    comparison = archbench.compare(
        models,
        input,
        batch=batch,
        mode=mode,
        baseline=baseline,
        attention=attention,
        measured=measured,
        trained=trained,
        published=published,
        device=device,
        source=source,
        store=store,
        sweep=sweep,
    )
    target.deliver(comparison.view(depth=depth, top=top, sort=sort, columns=columns, percent=percent))
