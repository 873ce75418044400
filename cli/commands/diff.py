"""`archbench diff`: two models, layer by layer."""

from __future__ import annotations

from typing import Annotated

import typer

import archbench
from cli.options import Batch, Inputs, ModeOption, complete_model
from cli.output import Destination, output_options

_HELP = "An address, git:REVISION:net.py:Net, or a summary saved as JSON."
A = Annotated[str, typer.Argument(metavar="A", help=_HELP, autocompletion=complete_model)]
B = Annotated[str, typer.Argument(metavar="B", help="The model to compare A with.", autocompletion=complete_model)]


@output_options
def diff(
    a: A,
    b: B,
    input: Inputs = None,
    batch: Batch = 1,
    mode: ModeOption = "eval",
    all: Annotated[bool, typer.Option("--all", help="Also show the layers that are the same.")] = False,
    *,
    target: Destination,
) -> None:
    """Compare two models layer by layer.

    Shows the layers added, removed and changed, and the difference in parameters, MACs and output bytes.

    A MAC is one multiply-accumulate of a convolution or matrix product.

    Example: archbench diff alexnet zfnet
    """
    target.deliver(archbench.diff(a, b, input, batch=batch, mode=mode, show_same=all))
