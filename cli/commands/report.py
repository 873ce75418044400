"""`archbench report`: everything about models on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import archbench
from cli.options import Inputs, Models, StorePath, complete_device
from cli.output import is_stdout, save_file

Page = Annotated[Path, typer.Option("--output", metavar="PATH", help="An .html file; -: standard output.")]
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="NAME",
        help="Add the rooflines of this device ('archbench devices').",
        autocompletion=complete_device,
    ),
]
Run = Annotated[Path | None, typer.Option("--run", metavar="RUN", help="The folder of a training run.")]


def report(
    models: Models,
    input: Inputs = None,
    device: Device = None,
    store: StorePath = None,
    run: Run = None,
    output: Page = Path("report.html"),
) -> None:
    """Write one page with everything, which works offline.

    Tables, charts, drawings and derivations; measurements of the store, and the trainings of a run.

    Example: archbench report alexnet zfnet vgg16 --device h200 --output report.html
    """
    from archbench.api.report import require_html

    if not is_stdout(output):
        require_html(output)
    page = archbench.report(models, inputs=input, device=device, store=store, run=run)
    save_file(output, page.save)
