"""`archbench diff`: two models, layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Batch, Inputs, Mode, ModeOption, complete_model
from cli.output import Destination, output_options

if TYPE_CHECKING:
    from cli.saved import Side

_HELP = "An address, git:REVISION:net.py:Net, or a summary saved as JSON."
Model = Annotated[str, typer.Argument(metavar="MODEL", help=_HELP, autocompletion=complete_model)]


@output_options
def diff(
    a: Model,
    b: Model,
    input: Inputs = None,
    batch: Batch = 1,
    mode: ModeOption = "eval",
    all: Annotated[bool, typer.Option("--all", help="Also the layers that are the same.")] = False,
    *,
    target: Destination,
) -> None:
    """Compare two models layer by layer.

    What was inserted, removed or changed, and what that does to parameters, MACs and memory.

    Example: archbench diff alexnet zfnet
    """
    from archbench.analyze.diff import difference
    from archbench.errors import InputError
    from archbench.reporting.tables.diff import difference_table

    sides = [_side(address, input, batch, mode) for address in (a, b)]
    first, second = sides
    for what in ("batch", "mode"):
        if getattr(first, what) != getattr(second, what):
            values = f"{getattr(first, what)} and {getattr(second, what)}"
            raise InputError(f"{a} and {b} were counted with {what} {values}; count both alike")
    target.deliver(
        difference_table(
            difference(first.rows, second.rows),
            a=first.name,
            b=second.name,
            totals=(first.totals, second.totals),
            shows_same=all or target.format in ("csv", "json"),
            caveats=[caveat for side in sides for caveat in side.caveats],
        )
    )


def _side(address: str, inputs: list[str] | None, batch: int, mode: Mode) -> Side:
    from archbench.analyze.layers import as_record
    from cli.loading import count
    from cli.saved import Side, read_side

    if address.endswith(".json"):
        return read_side(Path(address))
    summary = count(address, inputs, batch, mode).summary
    return Side(address, batch, mode, summary.rows, as_record(summary.totals), summary.caveats)
