"""Options of `archbench plot`, as types for its parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from archbench.reporting.charts.catalogue import KINDS
from cli.options import Algorithm, Mode, complete_device, complete_model, complete_precision, parse_batch_size


def complete_kind(incomplete: str) -> list[tuple[str, str]]:
    """Return the kinds of charts that begin so, with what they show."""
    return [(kind.name, kind.draws) for kind in KINDS.values() if kind.name.startswith(incomplete)]


_LIST = "\n".join(f"{f'{kind.name} {kind.takes}'.strip()}: {kind.draws}" for kind in KINDS.values())

Kind = Annotated[str, typer.Argument(metavar="KIND", help=_LIST, autocompletion=complete_kind)]
What = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[MODEL...|RUN]",
        help="Addresses of models, or the folder of a training run.",
        autocompletion=complete_model,
    ),
]
File = Annotated[
    Path | None,
    typer.Option("--output", metavar="PATH", help="A .png, .svg or .html file; -: standard output; default: KIND.svg."),
]
Format = Annotated[
    Literal["svg", "png", "html"] | None, typer.Option("--format", help="Default: by the ending of --output, else svg.")
]
Width = Annotated[int | None, typer.Option("--width", metavar="N", help="Width of the plot in pixels, without axes.")]
Height = Annotated[
    int | None, typer.Option("--height", metavar="N", help="Height of the plot in pixels, without axes.")
]
Scale = Annotated[
    float | None, typer.Option("--scale", metavar="X", help="Pixels of a .png per pixel of the chart; default: 2.")
]
Batch = Annotated[
    int | None,
    typer.Option(
        "--batch", metavar="N", help="Samples per step; default: 1; for latency, any.", parser=parse_batch_size
    ),
]
ModeOption = Annotated[Mode | None, typer.Option("--mode", help="Default: eval; for measured charts, any.")]
Dtype = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        metavar="DTYPE",
        help="Default: fp32; for measured charts, any.",
        autocompletion=complete_precision,
    ),
]
Optimizer = Annotated[
    Algorithm | None, typer.Option("--optimizer", help="Optimizer of the training step; requires --mode train.")
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="NAME",
        help="Of the roofline or --by time ('archbench devices'); measured charts: cpu, cuda, mps or a name.",
        autocompletion=complete_device,
    ),
]
Published = Annotated[
    bool, typer.Option("--published", help="For accuracy: what 'results --import timm:FILE' imported.")
]
By = Annotated[
    Literal["params", "macs", "memory", "time"] | None,
    typer.Option(
        "--by", help="For modules; memory: saved for the backward pass; time: needs --device; default: params."
    ),
]
Layer = Annotated[
    list[str] | None,
    typer.Option(
        "--layer", metavar="NAME", help="Of convolution; of the receptive field, twice: first and last of a path."
    ),
]
Threshold = Annotated[
    list[float] | None,
    typer.Option("--threshold", metavar="X", help="Mark when this accuracy was reached: 0.9. Repeatable."),
]
