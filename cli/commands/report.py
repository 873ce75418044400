"""`archbench report`: everything about models on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import Inputs, Models, StorePath, complete_device

Page = Annotated[Path, typer.Option("--output", metavar="PATH", help="A file that ends in .html.")]
OnDevice = Annotated[
    str | None,
    typer.Option("--device", metavar="NAME", help="Adds its rooflines.", autocompletion=complete_device),
]
RunFolder = Annotated[Path | None, typer.Option("--run", metavar="DIR", help="A folder that 'archbench train' made.")]


def report(
    models: Models,
    input: Inputs = None,
    device: OnDevice = None,
    store: StorePath = None,
    run: RunFolder = None,
    output: Page = Path("report.html"),
) -> None:
    """Write one page that works without a network: tables, charts, drawings, workings, measurements.

    Measured is what the store has of these models, trained what the run's folder has.

    Example: archbench report alexnet zfnet vgg16 --device h200 --output report.html
    """
    from archbench.errors import UsageError

    if output.suffix.lower() != ".html":
        # `.`, `..` and `/` are folders that have no name of their own.
        fitting = output.with_suffix(".html") if output.name.strip(".") else output / "report.html"
        raise UsageError(f"--output {output} does not end in .html; try {fitting}")

    from archbench.files import write_whole
    from archbench.reporting.page.build import report_page
    from cli.output import note
    from cli.reporting import gather

    page = report_page(gather(list(dict.fromkeys(models)), input, device, store, run))
    # A byte of a file's name that is no UTF-8 becomes a question mark.
    write_whole(output, page.encode("utf-8", "replace"))
    note(f"wrote {output}")
