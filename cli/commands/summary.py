"""`archbench summary`: the layer table of one model."""

from __future__ import annotations

import archbench
from cli.options import AttentionOption, Batch, Columns, Depth, Inputs, Model, ModeOption, Percent, Sort, Top
from cli.output import Destination, output_options


@output_options
def summary(
    model: Model,
    input: Inputs = None,
    batch: Batch = 1,
    mode: ModeOption = "eval",
    attention: AttentionOption = "auto",
    depth: Depth = None,
    top: Top = None,
    sort: Sort = None,
    columns: Columns = None,
    percent: Percent = False,
    *,
    target: Destination,
) -> None:
    """Show a model layer by layer.

    Shapes, kernels, parameters, neurons, MACs, FLOPs and bytes of each layer, with totals.

    Example: archbench summary alexnet --csv alexnet.csv
    """
    summarized = archbench.summarize(model, input, batch=batch, mode=mode, attention=attention)
    target.deliver(summarized.view(depth=depth, top=top, sort=sort, columns=columns, percent=percent))
