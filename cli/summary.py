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
    from cli.output import destination, note

    target = destination(format, output, csv)

    from archbench.report.layouts import summary_table
    from cli.loading import count, warnings

    counted = count(model, input, batch, mode)
    found = counted.summary
    target.deliver(summary_table(found.table, model=model, batch=found.batch, mode=found.mode), found.to_dict())
    for warning in warnings(counted):
        note(warning)
