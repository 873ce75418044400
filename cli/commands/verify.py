"""`archbench verify`: published figures against computed ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import complete_model
from cli.output import Destination, output_options

_About = typer.Argument(metavar="[MODEL]", help="Only claims about it.", autocompletion=complete_model)
Claims = Annotated[Path | None, typer.Option("--claims", metavar="PATH", help="A CSV file of your own claims.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 1 if a claim is contradicted.")]


@output_options
def verify(
    model: Annotated[str | None, _About] = None,
    claims: Claims = None,
    strict: Strict = False,
    *,
    target: Destination,
) -> None:
    """Hold published figures against computed ones.

    Verdicts: exact; rounds (equal at the stated precision); close (within 5%); contradicts; shown (a reported error).

    Example: archbench verify alexnet
    """
    from archbench.analyze.claims import models_of
    from archbench.api.claims import judge_claims, load_claims
    from archbench.errors import UsageError, nearest
    from archbench.reporting.tables.model import claims_table

    chosen = load_claims(claims)
    if model is not None:
        about = {name.partition("@")[0] for claim in chosen for name in models_of(claim)}
        chosen = [claim for claim in chosen if model in {*models_of(claim), *_without_classes(models_of(claim))}]
        if not chosen:
            raise UsageError(f"there is no claim about '{model}'{nearest(model, about)}")
    rows = judge_claims(chosen)
    target.deliver(claims_table(rows))
    if strict and any(row.verdict == "contradicts" for row in rows):
        raise typer.Exit(1)


def _without_classes(names: list[str]) -> list[str]:
    return [name.partition("@")[0] for name in names]
