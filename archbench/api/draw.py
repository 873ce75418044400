"""The picture of a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from archbench.analyze.diagram.graph import model_graph, opened
from archbench.analyze.diagram.volumes import volume_chain
from archbench.analyze.layers import LayerTable, layer_table
from archbench.errors import UsageError, choose
from archbench.files import write_whole
from archbench.models.loaded import Inputs, Model, load_model
from archbench.reporting.drawings.canvas import ending_of, to_picture
from archbench.reporting.drawings.graph import graph_svg
from archbench.reporting.drawings.volumes import volumes_svg
from archbench.trace.records import Trace

Style = Literal["auto", "volumes", "blocks"]


@dataclass(frozen=True, repr=False)
class Drawing:
    """A model's picture as SVG, which a notebook shows."""

    model: str
    svg: str
    caveats: tuple[str, ...] = ()

    def save(self, path: str | Path, format: Literal["svg", "png"] | None = None) -> None:
        """Write the picture, whole or not at all, in a format or that of the path's ending.

        Raises UsageError for another ending or if PNG's library is missing, OutputError if it cannot be written.
        """
        write_whole(Path(path), to_picture(self.svg, ending_of(Path(path), format, argument="path")))

    def __repr__(self) -> str:
        return f"<Drawing of {self.model}: {len(self.svg)} characters of SVG>"

    def _repr_svg_(self) -> str:
        return self.svg


def draw(model: Model, *, style: Style = "auto", depth: int | None = None, inputs: Inputs = None) -> Drawing:
    """Draw a model: its feature volumes to scale, or the graph of its blocks.

    The graph has the modules and operators that ran, and an arrow for each tensor from what made it to what reads it,
    so that a skip connection passes by the blocks that it skips and branches stand side by side. Equal blocks that
    follow each other are drawn once.

    Args:
        model: A module, or an address such as `"vgg16"`.
        style: `"volumes"` for a chain of 2-d feature maps, `"blocks"` for any model; `"auto"` draws volumes where it
            can and no depth is given.
        depth: The levels of blocks that are opened, from 1. By default of all blocks with one structure, whatever their
            sizes, the first is opened, as deep as leaves at most 40 blocks.
        inputs: As in `archbench.summarize`.

    Raises UsageError for a depth of volumes, or volumes of a model that is not a chain of 2-d feature maps;
    AddressError, InputError or ForwardError as `archbench.summarize`.
    """
    choose("style", style, ("auto", "volumes", "blocks"))
    if depth is not None and depth < 1:
        raise UsageError("{depth} is not a number of levels; give a whole number from 1", depth=depth)
    if style == "volumes" and depth is not None:
        raise UsageError("{depth} requires {style}; volumes have no depth", depth=depth, style="blocks")
    loaded = load_model(model, inputs)
    record = loaded.trace(1, "eval", None)
    table = layer_table(record)
    svg = _svg(loaded.name, record, table, "blocks" if depth is not None else style, depth)
    uncounted = ", ".join(sorted(table.uncounted))
    return Drawing(
        loaded.name, svg, (f"{loaded.name}: uncounted, in no figure of MACs: {uncounted}",) if uncounted else ()
    )


def _svg(model: str, record: Trace, table: LayerTable, style: Style, depth: int | None) -> str:
    """Return the picture in a style, or for `auto` in the one that suits the model. Raises UsageError."""
    if style != "blocks":
        chain = volume_chain(table.rows, record)
        if chain is not None:
            return volumes_svg(chain, model, table.totals)
        if style == "volumes":
            raise UsageError(f"{model} is not a chain of 2-d feature maps; use {{style}}", style="blocks")
    inputs = [info.shape[1:] for info in record.inputs]
    return graph_svg(opened(model_graph(record), depth), model, inputs)
