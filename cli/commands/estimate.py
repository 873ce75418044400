"""`archbench estimate`: how fast a model can be on a device, before either is there."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import (
    Batch,
    Checkpoint,
    Dtype,
    Inputs,
    LayoutOption,
    Mode,
    Model,
    OptimizerOption,
    UpdateFormOption,
    complete_device,
    parse_amount,
    parse_batch_size,
)
from cli.output import Destination, output_options

OnDevice = Annotated[
    str, typer.Option("--device", metavar="NAME", help="See 'archbench devices'.", autocompletion=complete_device)
]
ModeChoice = Annotated[Mode | None, typer.Option("--mode", help="Default: eval; train with --dataset or --devices.")]
Devices = Annotated[
    str, typer.Option("--devices", metavar="N", help="Train on several, data parallel: 8, 1,4,8 or 1..1024.")
]
GlobalBatch = Annotated[
    int | None,
    typer.Option("--global-batch", metavar="N", help="Samples of all devices together.", parser=parse_batch_size),
]
Epochs = Annotated[
    float | None, typer.Option("--epochs", metavar="N", help="With --dataset; default: 1.", parser=parse_amount)
]
Link = Annotated[
    str | None, typer.Option("--interconnect", metavar="SIZE", help="Bytes a second between devices: 50GB.")
]
Dataset = Annotated[
    str | None, typer.Option("--dataset", metavar="NAME|N", help="imagenet, cifar10, or a number of images.")
]

_MOST_DEVICES = 2**20


@output_options
def estimate(
    model: Model,
    device: OnDevice,
    input: Inputs = None,
    batch: Batch = 1,
    mode: ModeChoice = None,
    dtype: Dtype = "fp32",
    layout: LayoutOption = "nchw",
    fused: Annotated[bool, typer.Option("--fused", help="As compiled by torch.compile.")] = False,
    efficiency: Annotated[
        float | None,
        typer.Option(
            "--efficiency", metavar="X", help="Part of the peak reached; default: fitted.", parser=parse_amount
        ),
    ] = None,
    optimizer: OptimizerOption = "momentum",
    optimizer_form: UpdateFormOption = "foreach",
    checkpoint: Checkpoint = None,
    devices: Devices = "1",
    global_batch: GlobalBatch = None,
    interconnect: Link = None,
    dataset: Dataset = None,
    epochs: Epochs = None,
    price: Annotated[
        float | None, typer.Option("--price", metavar="X", help="Of one device's hour.", parser=parse_amount)
    ] = None,
    layers: Annotated[bool, typer.Option("--layers", help="One row a layer under the roofline.")] = False,
    plans: Annotated[bool, typer.Option("--plans", help="Data or model parallel, layer by layer.")] = False,
    *,
    target: Destination,
) -> None:
    """Predict rate, time, energy and price on a device.

    Example: archbench estimate vgg16 --device h200 --batch 256 --dtype bf16 --dataset imagenet --epochs 74
    """
    from archbench.analyze.performance.estimate import Workload
    from archbench.errors import UsageError
    from archbench.hardware.find import find_device
    from archbench.units import parse_range
    from cli.estimating import assumed_efficiency, images_in, layers_table, link_rate, parallel_table, rates_table
    from cli.predicting import chosen_optimizer, prepare

    counts = parse_range(devices, "number of devices")
    if counts[-1] > _MOST_DEVICES:
        raise UsageError(f"--devices {devices}: nobody has so many; give at most {_MOST_DEVICES}")
    if dataset is None and (price is not None or epochs is not None):
        raise UsageError("--epochs and --price are of a whole training; say which by --dataset")
    if (layers and (plans or counts != [1] or global_batch or dataset)) or (plans and (global_batch or dataset)):
        raise UsageError("--layers shows one step of one device, --plans one step; leave the other options out")
    images = None if dataset is None else images_in(dataset)
    mode = mode or ("train" if dataset or plans or counts != [1] else "eval")
    if mode == "eval" and (counts != [1] or plans):
        raise UsageError("--devices and --plans are about training; leave --mode eval out")
    if plans and (len(counts) > 1 or counts == [1]):
        raise UsageError(f"--plans is for one number of devices above 1, such as --devices 8, not '{devices}'")
    place = find_device(device)
    assumed = assumed_efficiency(efficiency, place, fused)
    run = prepare(
        model,
        inputs=input,
        mode=mode,
        dtype=dtype,
        checkpoint=checkpoint,
        optimizer=chosen_optimizer(optimizer, optimizer_form, 0.0),
        device=place,
        layout=layout,
        is_fused=fused,
        efficiency=assumed.value,
    )
    link = link_rate(interconnect, place, counts)
    if layers:
        target.deliver(layers_table(run, batch, assumed))
    elif plans:
        target.deliver(parallel_table(run, batch, counts[0], link, assumed))
    else:
        workload = Workload(images, 1.0 if epochs is None else epochs, price)
        target.deliver(rates_table(run, batch, global_batch, counts, link, assumed, workload))
