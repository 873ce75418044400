"""`archbench predict`: the classes of pictures by a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import archbench
from cli.output import Destination, output_options, save_file

Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a training run.")]
Images = Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Pictures: PNG, JPEG and others.")]
Model = Annotated[
    str | None, typer.Option("--model", metavar="MODEL", help="A model of the run; default: the most accurate.")
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Use the training with this seed.", min=0)]
Sheet = Annotated[
    Path | None, typer.Option("--sheet", metavar="PATH", help="Also draw the predictions to a .svg or .png file.")
]


@output_options
def predict(
    run: Run,
    images: Images,
    model: Model = None,
    seed: Seed = 0,
    sheet: Sheet = None,
    *,
    target: Destination,
) -> None:
    """Classify pictures of your own with a trained model.

    Shows the five most probable classes. A picture is prepared as the training images are: its central square, resized
    to their size. A run whose model is a file (net.py:Net) executes that file: use only runs that you trust.

    Example: archbench predict runs/lenet-digits three.png --sheet three-predicted.png
    """
    from archbench.reporting.drawings.canvas import ending_of

    if sheet is not None:
        ending_of(sheet, None, argument="sheet")
    predictions = archbench.predict(run, images, model=model, seed=seed)
    target.deliver(predictions)
    if sheet is not None:
        save_file(sheet, predictions.save)
