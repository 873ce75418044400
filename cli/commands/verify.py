"""`archbench verify`: published figures against computed ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import complete_model
from cli.output import Destination, output_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archbench.analyze.claims import Claim, Judged

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
    from archbench.errors import UsageError, nearest
    from archbench.reporting.tables.model import claims_table

    chosen = claims_of(claims)
    if model is not None:
        about = {name.partition("@")[0] for claim in chosen for name in models_of(claim)}
        chosen = [claim for claim in chosen if model in {*models_of(claim), *_without_classes(models_of(claim))}]
        if not chosen:
            raise UsageError(f"there is no claim about '{model}'{nearest(model, about)}")
    rows = judged(chosen)
    target.deliver(claims_table(rows))
    if strict and any(row.verdict == "contradicts" for row in rows):
        raise typer.Exit(1)


def claims_of(path: Path | None) -> list[Claim]:
    """Return the claims in a file, the project's own by default. Raises InputError."""
    from archbench.analyze.claims import read_claims

    return read_claims(*_text(path))


def judged(claims: Sequence[Claim]) -> list[Judged]:
    """Return the verdict on each claim, its models counted on their usual inputs."""
    from archbench.analyze.claims import Facts, judge, models_of
    from cli.loading import count

    facts = {}
    for name in dict.fromkeys(name for claim in claims for name in models_of(claim)):
        counted = count(name, None, 1, "eval")
        error = counted.card.reported_top5_error_percent if counted.card else None
        facts[name] = Facts(counted.summary.table, counted.summary.inputs[0][1:], error)
    return [judge(claim, facts) for claim in claims]


def _text(path: Path | None) -> tuple[str, str]:
    """Return the claims and the name of their file, the project's own by default."""
    from importlib.resources import files

    from archbench.errors import InputError

    if path is None:
        return (files("zoo") / "claims.csv").read_text(encoding="utf-8"), "claims.csv"
    try:
        # Spreadsheets begin a CSV file in UTF-8 with a mark that says so.
        return path.read_text(encoding="utf-8-sig"), str(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read '{path}': {getattr(error, 'strerror', None) or 'it is no text'}") from error


def _without_classes(names: list[str]) -> list[str]:
    return [name.partition("@")[0] for name in names]
