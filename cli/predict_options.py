"""Options of the commands that predict: memory and estimate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from archbench.errors import UsageError
from cli.options import Mode, complete_device, parse_amount, parse_batch_size

_DEVICE_HELP = "Add the workspaces and rounding of this device ('archbench devices')."

Fit = Annotated[
    str | None,
    typer.Option("--fit", metavar="SIZE", help="Find the largest batch that fits: 24GiB, or a device's memory: t4."),
]
OptionalDevice = Annotated[
    str | None, typer.Option("--device", metavar="NAME", help=_DEVICE_HELP, autocompletion=complete_device)
]
MemoryLayers = Annotated[bool, typer.Option("--layers", help="One row per layer: saved memory and peak.")]
Timeline = Annotated[bool, typer.Option("--timeline", help="One row per operator, in order of execution.")]

OnDevices = Annotated[
    list[str],
    typer.Option(
        "--device",
        metavar="NAME",
        help="Name from 'archbench devices': a100. Several: a100,h100.",
        autocompletion=complete_device,
    ),
]
ModeChoice = Annotated[
    Mode | None, typer.Option("--mode", help="Default: eval; train with --dataset or several devices.")
]
Compile = Annotated[bool, typer.Option("--compile", help="Predict for torch.compile.")]
Fused = Annotated[bool, typer.Option("--fused", hidden=True)]
Efficiency = Annotated[
    float | None,
    typer.Option(
        "--efficiency",
        metavar="X",
        help="Use a plain roofline at this fraction of the peak: 0.7.",
        parser=parse_amount,
    ),
]
Count = Annotated[
    str,
    typer.Option(
        "--devices", metavar="N", help="Data-parallel training on 8 devices, or on several numbers: 1,4,8 or 1..1024."
    ),
]
GlobalBatch = Annotated[
    int | None,
    typer.Option(
        "--global-batch",
        metavar="N",
        help="Samples per step of all devices together, instead of --batch.",
        parser=parse_batch_size,
    ),
]
Interconnect = Annotated[
    str | None,
    typer.Option(
        "--interconnect", metavar="SIZE", help="Bytes per second between devices, instead of the device's: 50GB."
    ),
]
Dataset = Annotated[
    str | None,
    typer.Option("--dataset", metavar="NAME|N", help="Predict a whole training on imagenet, cifar10 or N images."),
]
Epochs = Annotated[
    float | None, typer.Option("--epochs", metavar="N", help="Passes over --dataset; default: 1.", parser=parse_amount)
]
Price = Annotated[
    float | None,
    typer.Option(
        "--price", metavar="X", help="Price of an hour on one device; adds the price of the run.", parser=parse_amount
    ),
]
Layers = Annotated[bool, typer.Option("--layers", help="One row per layer, with what bounds it.")]
Plans = Annotated[bool, typer.Option("--plans", help="Compare data and model parallelism, layer by layer.")]


def require_one_step(
    *, layers: bool, plans: bool, counts: Sequence[int], global_batch: int | None, dataset: str | None
) -> None:
    """Raise UsageError for options that have no effect with --layers or --plans."""
    has_training = global_batch is not None or dataset is not None
    if layers and (plans or has_training or list(counts) != [1]):
        raise UsageError("--layers shows one step on one device; leave the other options out")
    if plans and has_training:
        raise UsageError("--plans shows one step; leave --global-batch and --dataset out")
