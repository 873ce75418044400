"""Options that several commands share, as types for their parameters."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """How a table is written."""

    table = "table"
    csv = "csv"
    json = "json"
    markdown = "markdown"


class Mode(StrEnum):
    """How the model is run."""

    eval = "eval"
    train = "train"


def complete_model(incomplete: str) -> list[str]:
    """Return the bare model names that begin so; reads installed metadata, imports no torch."""
    from archbench.address import model_names

    return [name for name in model_names() if name.startswith(incomplete)]


def _batch_size(text: str | int) -> int:
    if not str(text).isdecimal() or int(text) == 0:
        raise typer.BadParameter(f"'{text}' is no batch size; give a whole number from 1")
    return int(text)


_ADDRESS_HELP = "vgg16, vgg16@10, lenet?activation=relu, torchvision:resnet50, net.py:Net (runs the file)"

Model = Annotated[str, typer.Argument(metavar="MODEL", help=_ADDRESS_HELP, autocompletion=complete_model)]
Models = Annotated[list[str], typer.Argument(metavar="MODEL...", help=_ADDRESS_HELP, autocompletion=complete_model)]
Inputs = Annotated[
    list[str] | None,
    typer.Option("--input", metavar="SHAPE[:DTYPE]", help="Without the batch: 3x224x224, 128:int64. Repeatable."),
]
Batch = Annotated[
    int,
    typer.Option("--batch", metavar="N", help="Samples; counts are for the whole batch.", parser=_batch_size),
]
ModeOption = Annotated[Mode, typer.Option("--mode", help="How the model is run; train also runs backward.")]
FormatOption = Annotated[Format | None, typer.Option("--format", help="Default: by the ending of --output, or table.")]
Output = Annotated[Path | None, typer.Option("--output", metavar="PATH", help="Write there instead of printing.")]
Csv = Annotated[Path | None, typer.Option("--csv", metavar="PATH", help="Short for --format csv --output PATH.")]
