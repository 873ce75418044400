"""`archbench list`: the models that can be named without a path."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

import archbench
from cli.output import Destination, output_options

Pattern = Annotated[
    str | None, typer.Argument(metavar="[PATTERN]", help="Only names that match, such as 'vgg*', or contain a word.")
]
Source = Annotated[
    Literal["torchvision", "timm"] | None,
    typer.Option("--from", help="Models of this library; default: of the zoo and other installed packages."),
]


@output_options
def list_models(pattern: Pattern = None, source: Source = None, *, target: Destination) -> None:
    """List the installed models by their addresses.

    Name, title, year, input and reported error; CSV and JSON also have paper and differences from it.

    Example: archbench list --from torchvision 'resnet*'
    """
    target.deliver(archbench.list_models(pattern, source))
