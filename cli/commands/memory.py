"""`archbench memory`: what a run needs at its worst moment, before it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import (
    Checkpoint,
    Dtype,
    Inputs,
    LayoutOption,
    Model,
    ModeOption,
    OptimizerOption,
    OptionalBatches,
    UpdateFormOption,
    WeightDecay,
    complete_device,
)
from cli.output import Destination, output_options

if TYPE_CHECKING:
    from archbench.hardware.device import Device

Fit = Annotated[
    str | None,
    typer.Option("--fit", metavar="SIZE", help="Find the largest batch that fits: 24GiB, or a device's memory: t4."),
]
OnDevice = Annotated[
    str | None,
    typer.Option("--device", metavar="NAME", help="Adds what its libraries need.", autocompletion=complete_device),
]


@output_options
def memory(
    model: Model,
    input: Inputs = None,
    batch: OptionalBatches = None,
    fit: Fit = None,
    mode: ModeOption = "eval",
    dtype: Dtype = "fp32",
    optimizer: OptimizerOption = "momentum",
    optimizer_form: UpdateFormOption = "foreach",
    weight_decay: WeightDecay = 0.0,
    checkpoint: Checkpoint = None,
    device: OnDevice = None,
    layout: LayoutOption = "nchw",
    layers: Annotated[bool, typer.Option("--layers", help="One row a layer: what it saves, what is there.")] = False,
    timeline: Annotated[bool, typer.Option("--timeline", help="One row an operator, in time.")] = False,
    *,
    target: Destination,
) -> None:
    """Predict peak memory from the lifetimes of all tensors.

    Example: archbench memory vgg16 --mode train --optimizer adam --dtype amp --fit 24GiB
    """
    from archbench.errors import UsageError
    from archbench.units import parse_range

    if batch is not None and fit is not None:
        raise UsageError(f"--fit {fit} finds the batch; leave --batch {batch} out")
    batches = parse_range(batch or "1", "batch size")
    if (layers or timeline) and (len(batches) > 1 or fit is not None or (layers and timeline)):
        raise UsageError("--layers and --timeline show one batch; give one --batch, no --fit, and one of the two")

    from archbench.hardware.find import find_device
    from archbench.reporting.tables import memory as layouts
    from cli.predicting import chosen_optimizer, prepare

    limit, place = _limit(fit)
    run = prepare(
        model,
        inputs=input,
        mode=mode,
        dtype=dtype,
        checkpoint=checkpoint,
        optimizer=chosen_optimizer(optimizer, optimizer_form, weight_decay),
        device=place if device is None else find_device(device),
        layout=layout,
    )
    if limit is not None:
        batches = [run.largest_batch(limit) or 1]
    traces = [run.trace(size) for size in batches]
    rows = [run.footprint(size, trace) for size, trace in zip(batches, traces, strict=True)]
    said = run.caveats(traces[-1])
    title = f"{model}, {mode}, batch {batches[0]}, {dtype}"
    if layers:
        from archbench.analyze.memory.layers import layer_memory

        target.deliver(layouts.layer_memory_table(layer_memory(traces[0]), title=title, caveats=said))
    elif timeline:
        from archbench.analyze.memory.timeline import timeline as moments

        target.deliver(layouts.timeline_table(moments(traces[0]), title=title, caveats=said))
    else:
        notes = []
        if limit is not None:
            run.require_fit(rows[0], limit, f"the {fit} of --fit")
            notes = [f"The largest batch that fits {fit}: {batches[0]}."]
        target.deliver(layouts.memory_table(rows, notes=notes, caveats=said))


def _limit(fit: str | None) -> tuple[int | None, Device | None]:
    """Return the bytes that `--fit` names, and the device if it names one."""
    from archbench.hardware.find import find_device
    from archbench.units import parse_bytes

    if fit is None:
        return None, None
    if fit[:1].isdigit():
        return parse_bytes(fit), None
    device = find_device(fit)
    return device.free_bytes, device
