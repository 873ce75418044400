"""`archbench summary`: the layer table of one model."""

from __future__ import annotations

from cli.options import Batch, Csv, FormatOption, Inputs, Mode, Model, ModeOption, Output


def summary(
    model: Model,
    input: Inputs = None,
    batch: Batch = 1,
    mode: ModeOption = Mode.eval,
    format: FormatOption = None,
    output: Output = None,
    csv: Csv = None,
) -> None:
    """Show a model layer by layer.

    Shapes, kernels, parameters, neurons, MACs, FLOPs and bytes of each layer, with totals.

    Example: archbench summary alexnet --csv alexnet.csv
    """
    from cli.output import destination

    target = destination(format, output, csv)

    from cli.loading import count

    found = count(model, input, batch, mode).summary
    target.deliver(found.to_table(), found.to_dict())
