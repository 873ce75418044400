"""`archbench draw`: the picture of one model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli.options import Inputs, Model

if TYPE_CHECKING:
    from archbench.analyze.layers import LayerTable
    from archbench.trace.records import Trace


Style = Literal["volumes", "blocks"]


Picture = Annotated[
    Path | None, typer.Option("--output", metavar="PATH", help="A .svg or .png file; default: the model's name, .svg.")
]
StyleOption = Annotated[
    Style | None, typer.Option("--style", help="Default: volumes for a chain of 2-d feature maps, else blocks.")
]
Depth = Annotated[
    int | None,
    typer.Option("--depth", metavar="N", min=1, help="Levels of blocks; default: as deep as leaves at most 40."),
]


def draw(
    model: Model, output: Picture = None, style: StyleOption = None, depth: Depth = None, input: Inputs = None
) -> None:
    """Draw a model: its feature volumes to scale, or the blocks it is made of.

    Writes an SVG file, or PNG where the path ends so.

    Example: archbench draw alexnet --output alexnet.svg
    """
    from archbench.errors import UsageError
    from archbench.files import plain_name, write_whole
    from archbench.reporting.drawings.canvas import require_picture, to_picture

    path = output or Path(f"{plain_name(model)}.svg")
    require_picture(path)
    if style == "volumes" and depth is not None:
        raise UsageError(f"--depth {depth} is for --style blocks; volumes have no depth")

    from archbench.analyze.layers import layer_table
    from cli.loading import load
    from cli.output import note, warn

    loaded = load(model, input)
    trace = loaded.trace(1, "eval", None)
    table = layer_table(trace)
    svg = _svg(model, trace, table, "blocks" if style is None and depth is not None else style, depth)
    write_whole(path, to_picture(svg, path))
    note(f"wrote {path}")
    if table.uncounted:
        warn(f"{model}: uncounted, in no figure of MACs: {', '.join(sorted(table.uncounted))}")


def _svg(model: str, trace: Trace, table: LayerTable, style: Style | None, depth: int | None) -> str:
    """Return the picture in the style asked for, or in the one that suits the model. Raises UsageError."""
    from archbench.analyze.diagram.blocks import block_tree
    from archbench.analyze.diagram.volumes import volume_chain
    from archbench.errors import UsageError
    from archbench.reporting.drawings.blocks import blocks_svg
    from archbench.reporting.drawings.volumes import volumes_svg

    if style != "blocks":
        chain = volume_chain(table.rows, trace)
        if chain is not None:
            return volumes_svg(chain, model, table.totals)
        if style == "volumes":
            raise UsageError(f"{model} is no chain of 2-d feature maps; use --style blocks")
    inputs = [info.shape[1:] for info in trace.inputs]
    return blocks_svg(block_tree(table.rows, trace.layers, depth), model, inputs)
