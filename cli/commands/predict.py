"""`archbench predict`: what a trained model says of a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.output import Destination, output_options

Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a training run.")]
Images = Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Pictures: PNG, JPEG and others.")]
Model = Annotated[
    str | None, typer.Option("--model", metavar="MODEL", help="Default: the run's model of the highest accuracy.")
]


@output_options
def predict(
    run: Run,
    images: Images,
    model: Model = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Which of its trainings.", min=0)] = 0,
    sheet: Annotated[Path | None, typer.Option("--sheet", metavar="PATH", help="Also draw it: .svg or .png.")] = None,
    *,
    target: Destination,
) -> None:
    """Show the five classes that a trained model finds most probable for pictures of your own.

    Each picture is taken as the training images are: its middle square, scaled to their size.

    Example: archbench predict runs/lenet-digits three.png --sheet three-predicted.png
    """
    from archbench.files import write_whole
    from archbench.reporting.drawings.canvas import require_picture, to_picture
    from archbench.reporting.drawings.predictions import prediction_sheet
    from archbench.reporting.tables.predict import prediction_table
    from archbench.training.prediction import chosen_model, predict, read_images
    from archbench.training.run_dir.load import read_finished
    from cli.output import note

    if sheet is not None:
        require_picture(sheet, "sheet")
    found = read_finished(run)
    name = chosen_model(found, model)
    data = found.record["data"]
    pictures = read_images(images, tuple(data["shape"]))
    predictions = predict(found, name, seed, pictures)
    names = [str(path) for path in images]
    title = f"{name} with seed {seed}, trained on {found.data_said}"
    target.deliver(prediction_table(predictions, data["classes"], names=names, title=title))
    if sheet is not None:
        drawn = prediction_sheet(
            [picture.numpy() for picture in pictures],
            predictions,
            data["classes"],
            title=title,
            subtitle="",
            names=names,
        )
        write_whole(sheet, to_picture(drawn, sheet))
        note(f"wrote {sheet}")
