"""Options of the commands that predict: memory and estimate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from archbench.errors import UsageError
from cli.options import Mode, complete_device, parse_amount, parse_batch_size

_DEVICE_HELP = "Add the workspaces and rounding of a device; see 'archbench devices'."

Fit = Annotated[
    str | None,
    typer.Option("--fit", metavar="SIZE", help="Find the largest batch that fits: 24GiB, or a device's memory: t4."),
]
OptionalDevice = Annotated[
    str | None, typer.Option("--device", metavar="NAME", help=_DEVICE_HELP, autocompletion=complete_device)
]
MemoryLayers = Annotated[bool, typer.Option("--layers", help="One row per layer: saved memory, and peaks.")]
Timeline = Annotated[bool, typer.Option("--timeline", help="One row per operator, in time.")]

OnDevices = Annotated[
    list[str],
    typer.Option(
        "--device", metavar="NAME", help="See 'archbench devices'. Repeatable.", autocompletion=complete_device
    ),
]
ModeChoice = Annotated[Mode | None, typer.Option("--mode", help="Default: eval, or train with --dataset or --devices.")]
Compile = Annotated[bool, typer.Option("--compile", help="As compiled by torch.compile.")]
Fused = Annotated[bool, typer.Option("--fused", hidden=True)]
Efficiency = Annotated[
    float | None,
    typer.Option(
        "--efficiency",
        metavar="X",
        help="Predict by the plain roofline at this fraction of the peak.",
        parser=parse_amount,
    ),
]
Count = Annotated[
    str, typer.Option("--devices", metavar="N", help="Number of devices, training data parallel: 8, 1,4,8 or 1..1024.")
]
GlobalBatch = Annotated[
    int | None,
    typer.Option("--global-batch", metavar="N", help="Samples of all devices together.", parser=parse_batch_size),
]
Interconnect = Annotated[
    str | None, typer.Option("--interconnect", metavar="SIZE", help="Bytes per second between devices: 50GB.")
]
Dataset = Annotated[
    str | None, typer.Option("--dataset", metavar="NAME|N", help="imagenet, cifar10, or a number of images.")
]
Epochs = Annotated[
    float | None, typer.Option("--epochs", metavar="N", help="With --dataset; default: 1.", parser=parse_amount)
]
Price = Annotated[
    float | None, typer.Option("--price", metavar="X", help="Price per device-hour.", parser=parse_amount)
]
Layers = Annotated[bool, typer.Option("--layers", help="One row per layer under the roofline.")]
Plans = Annotated[bool, typer.Option("--plans", help="Data or model parallel, layer by layer.")]


def require_one_step(
    *, layers: bool, plans: bool, counts: Sequence[int], global_batch: int | None, dataset: str | None
) -> None:
    """Raise UsageError for options that have no effect with --layers or --plans."""
    has_training = global_batch is not None or dataset is not None
    if layers and (plans or has_training or list(counts) != [1]):
        raise UsageError("--layers shows one step on one device; leave the other options out")
    if plans and has_training:
        raise UsageError("--plans shows one step; leave --global-batch and --dataset out")
