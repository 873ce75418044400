"""`archbench draw`: the picture of one model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

import archbench
from cli.options import Inputs, Model

Picture = Annotated[
    Path | None,
    typer.Option("--output", metavar="PATH", help="A .svg or .png file; -: standard output; default: MODEL.svg."),
]
Format = Annotated[
    Literal["svg", "png"] | None, typer.Option("--format", help="Default: by the ending of --output, else svg.")
]
Style = Annotated[
    Literal["volumes", "blocks"] | None,
    typer.Option("--style", help="Default: volumes for a chain of 2-d feature maps, else blocks and arrows."),
]
Depth = Annotated[
    int | None,
    typer.Option(
        "--depth", metavar="N", min=1, help="Levels that are opened; default: each structure once, up to 40 blocks."
    ),
]


def draw(
    model: Model,
    output: Picture = None,
    format: Format = None,
    style: Style = None,
    depth: Depth = None,
    input: Inputs = None,
) -> None:
    """Draw an architecture: volumes to scale, or a graph of blocks.

    Writes an SVG file, or PNG if the path ends in .png.

    Example: archbench draw alexnet --output alexnet.svg
    """
    from archbench.files import plain_name
    from archbench.reporting.drawings.canvas import ending_of
    from cli.output import picture_format, save_file, warn

    path = output or Path(f"{plain_name(model)}.{format or 'svg'}")
    written_as = picture_format(path, format)
    ending_of(path, written_as)
    drawing = archbench.draw(model, style=style or "auto", depth=depth, inputs=input)
    save_file(path, lambda target: drawing.save(target, written_as))
    for caveat in drawing.caveats:
        warn(caveat)
