"""`archbench verify`: published figures against computed ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import archbench
from cli.options import complete_model
from cli.output import Destination, output_options

_About = typer.Argument(metavar="[MODEL]", help="Only claims about this model.", autocompletion=complete_model)
Claims = Annotated[Path | None, typer.Option("--claims", metavar="PATH", help="Check the claims in this CSV file.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 1 if a claim is contradicted.")]


@output_options
def verify(
    model: Annotated[str | None, _About] = None,
    claims: Claims = None,
    strict: Strict = False,
    *,
    target: Destination,
) -> None:
    """Compare published figures with computed ones.

    Verdicts: exact; rounds (equal at the stated precision); close (within 5%); contradicts; shown (a reported error).

    Example: archbench verify alexnet
    """
    result = archbench.verify(claims, model=model)
    target.deliver(result)
    if strict and result.contradicted:
        raise typer.Exit(1)
