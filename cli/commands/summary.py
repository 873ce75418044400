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

    One row per layer, with shape, kernel, parameters, neurons, MACs, FLOPs and bytes, and the totals.

    A MAC is one multiply-accumulate of a convolution or matrix product. FLOPs count every floating-point operation of
    every operator, 2 per MAC ('archbench costs'). Neurons are the outputs of a weight layer, per sample.
    ×n is the sum of n equal blocks, followed by one of them.

    Example: archbench summary alexnet --csv alexnet.csv
    """
    summarized = archbench.summarize(model, input, batch=batch, mode=mode, attention=attention)
    target.deliver(summarized.view(depth=depth, top=top, sort=sort, columns=columns, percent=percent))
