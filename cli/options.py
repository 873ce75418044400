"""Options that several commands share, as annotated types."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

Mode = Literal["eval", "train"]
Layout = Literal["nchw", "nhwc"]
Algorithm = Literal["none", "sgd", "momentum", "adam", "adamw"]
UpdateForm = Literal["foreach", "fused", "loop"]
Attention = Literal["auto", "fused", "math"]


def complete_model(incomplete: str) -> list[str]:
    """Return the bare model names with a prefix; reads installed metadata, imports no torch."""
    from archbench.models.address import model_names

    return [name for name in model_names() if name.startswith(incomplete)]


def parse_batch_size(text: str | int) -> int:
    """Return a number of samples."""
    from archbench.units import is_whole_number

    words = str(text).replace("..", ",").split(",")
    if len(words) > 1 and all(map(is_whole_number, words)):
        several = "several are taken by compare, memory, estimate and bench"
        raise typer.BadParameter(f"'{text}' is more than one batch size; {several}")
    if not is_whole_number(str(text)):
        raise typer.BadParameter(f"'{text}' is not a valid batch size; give a whole number from 1")
    return int(text)


def whole_number(least: int) -> Callable[[str | int], int]:
    """Return a parser of whole numbers from `least` on."""

    def parse(text: str | int) -> int:
        if not (str(text).isascii() and str(text).isdigit()) or int(text) < least:
            raise typer.BadParameter(f"'{text}' is not a valid number; give a whole number from {least}")
        return int(text)

    return parse


def complete_device(incomplete: str) -> list[str]:
    """Return the devices with a prefix."""
    from archbench.hardware.find import all_devices

    return [name for name in all_devices() if name.startswith(incomplete)]


def complete_precision(incomplete: str) -> list[str]:
    """Return the precisions with a prefix."""
    from archbench.precision import PRECISIONS

    return [name for name in PRECISIONS if name.startswith(incomplete)]


def parse_amount(text: str | float) -> float:
    """Return a number that is not negative."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise typer.BadParameter(f"'{text}' is not an amount; give a number from 0")
    return value


_ADDRESS_HELP = "vgg16, vgg16@10, lenet?activation=relu, torchvision:resnet50, net.py:Net (runs the file)"

Model = Annotated[str, typer.Argument(metavar="MODEL", help=_ADDRESS_HELP, autocompletion=complete_model)]
Models = Annotated[list[str], typer.Argument(metavar="MODEL...", help=_ADDRESS_HELP, autocompletion=complete_model)]
Inputs = Annotated[
    list[str] | None,
    typer.Option("--input", metavar="SHAPE[:DTYPE]", help="Without the batch: 3x224x224, 128:int64. Repeatable."),
]
Batch = Annotated[
    int,
    typer.Option(
        "--batch", metavar="N", help="Samples per step; counts are for the whole batch.", parser=parse_batch_size
    ),
]
ModeOption = Annotated[Mode, typer.Option("--mode", help="train: a training step, with the backward pass.")]
AttentionOption = Annotated[
    Attention,
    typer.Option("--attention", help="Count one fused kernel, or separate products (math); auto: as torch runs it."),
]
Sweep = Annotated[
    str | None,
    typer.Option(
        "--sweep",
        metavar="NAME=VALUES",
        help="size=64..512, length=128..8192, or an argument of the builder: width=32,64.",
    ),
]
StorePath = Annotated[
    Path | None,
    typer.Option("--store", metavar="PATH", help="File of stored results; default: in the user's data directory."),
]
Depth = Annotated[
    int | None,
    typer.Option(
        "--depth",
        metavar="N",
        help="Rows down to depth N; what is deeper is summed in its module.",
        parser=whole_number(0),
    ),
]
Top = Annotated[
    int | None,
    typer.Option("--top", metavar="N", help="The N largest rows, by MACs or --sort.", parser=whole_number(1)),
]
Sort = Annotated[str | None, typer.Option("--sort", metavar="COLUMN", help="Largest first; text from A to Z.")]
Columns = Annotated[
    str | None, typer.Option("--columns", metavar="A,B,…", help="Only these, as CSV names them: params,macs.")
]
Percent = Annotated[bool, typer.Option("--percent", help="Add shares of the total parameters and MACs.")]
PublishedDevice = Annotated[
    str | None,
    typer.Option("--device", metavar="NAME", help="With --published: device of the rates, such as rtx4090."),
]
PublishedSource = Annotated[
    str | None,
    typer.Option("--source", metavar="TEXT", help="With --published: part of the name of the file of rates."),
]
Batches = Annotated[str, typer.Option("--batch", metavar="N", help="Samples: 32, or several: 1,8,32 or 1..512.")]
OptionalBatches = Annotated[
    str | None, typer.Option("--batch", metavar="N", help="Samples: 32, or several: 1,8,32 or 1..512; default: 1.")
]
Dtype = Annotated[
    str,
    typer.Option(
        "--dtype",
        metavar="DTYPE",
        help="fp32, tf32, bf16 or fp16; amp and amp-fp16: autocast.",
        autocompletion=complete_precision,
    ),
]
LayoutOption = Annotated[Layout, typer.Option("--layout", help="Memory layout: channels first (nchw) or last (nhwc).")]
OptimizerOption = Annotated[
    Algorithm, typer.Option("--optimizer", help="Optimizer of the training step; requires --mode train.")
]
UpdateFormOption = Annotated[
    UpdateForm,
    typer.Option("--optimizer-form", help="Implementation in torch: optimizer(foreach=True), fused=True or a loop."),
]
WeightDecay = Annotated[
    float,
    typer.Option(
        "--weight-decay", metavar="X", help="Weight decay of the optimizer; requires --mode train.", parser=parse_amount
    ),
]
Checkpoint = Annotated[
    str | None,
    typer.Option(
        "--checkpoint",
        metavar="WHAT",
        help="Recompute in backward: modules (layer1,layer2.*), or segments of a Sequential (4).",
    ),
]
