"""`archbench summary`: the layer table of one model."""

from __future__ import annotations

import archbench
from cli.options import AttentionOption, Batch, Inputs, Model, ModeOption
from cli.output import Destination, output_options


@output_options
def summary(
    model: Model,
    input: Inputs = None,
    batch: Batch = 1,
    mode: ModeOption = "eval",
    attention: AttentionOption = "auto",
    *,
    target: Destination,
) -> None:
    """Show a model layer by layer.

    Shapes, kernels, parameters, neurons, MACs, FLOPs and bytes of each layer, with totals.

    Example: archbench summary alexnet --csv alexnet.csv
    """
    target.deliver(archbench.summarize(model, input, batch=batch, mode=mode, attention=attention))
