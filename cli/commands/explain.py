"""`archbench explain`: every figure of a layer, derived."""

from __future__ import annotations

from typing import Annotated

import typer

import archbench
from cli.options import Batch, Inputs, Model
from cli.output import Destination, output_options

_Layer = typer.Argument(metavar="[LAYER]", help="A row of 'archbench summary', such as conv1; default: all.")


@output_options(has_latex=True)
def explain(
    model: Model,
    layer: Annotated[str | None, _Layer] = None,
    input: Inputs = None,
    batch: Batch = 1,
    *,
    target: Destination,
) -> None:
    """Derive each figure of a layer in one line with its own numbers.

    Output sizes, parameters, MACs, FLOPs, neurons, memory and receptive field. Without LAYER, every layer in turn.
    A row that joins branches, such as inception_3a/cat, has the cost of its block, with and without 1x1 reductions.

    A MAC is one multiply-accumulate of a convolution or matrix product. FLOPs count every floating-point operation,
    by the rules that 'archbench costs' prints.

    Example: archbench explain alexnet conv1
    """
    target.deliver(archbench.explain(model, layer, inputs=input, batch=batch))
