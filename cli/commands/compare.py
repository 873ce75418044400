"""`archbench compare`: one row per model."""

from __future__ import annotations

from typing import Annotated

import typer

import archbench
from archbench.units import parse_range
from cli.options import (
    AttentionOption,
    Batches,
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

Measured = Annotated[bool, typer.Option("--measured", help="Add the highest rate that 'archbench bench' stored.")]
Trained = Annotated[bool, typer.Option("--trained", help="Add the accuracy of each model's newest training.")]
Published = Annotated[
    bool, typer.Option("--published", help="Add the published rate and accuracy ('results --import timm:').")
]
Baseline = Annotated[
    str | None, typer.Option("--baseline", metavar="MODEL", help="Divide by this model's figures, not the first's.")
]


@output_options
def compare(
    models: Models,
    input: Inputs = None,
    batch: Batches = "1",
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

    Parameters, MACs, FLOPs, neurons, peak memory and reported error, with ratios to the first model.

    A MAC is one multiply-accumulate of a convolution or matrix product. FLOPs count every floating-point operation of
    every operator, 2 per MAC ('archbench costs'). Peaks are predicted as by 'archbench memory'.

    Example: archbench compare alexnet zfnet vgg16 --csv compare.csv
    """
    comparison = archbench.compare(
        models,
        input,
        batch=parse_range(batch, "batch size"),
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
