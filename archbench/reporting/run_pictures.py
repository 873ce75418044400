"""Draw the pictures of a training run: charts, filters and prediction sheets, in its folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.util import find_spec

from archbench.files import plain_name, write_whole
from archbench.reporting.drawings.canvas import to_png
from archbench.reporting.drawings.filters import filter_pictures
from archbench.reporting.drawings.predictions import prediction_sheet, select_predictions, selection_note
from archbench.reporting.tables.train import epochs_text
from archbench.training.data.records import Data
from archbench.training.run_dir.load import SavedRun, read_state
from archbench.training.run_dir.paths import make_folder

_SHEET_IMAGES = 12

_LOG = logging.getLogger("archbench")


def draw_pictures(run: SavedRun) -> None:
    """Write all pictures as PNG, those of single models as SVG too, for the colours of the page that shows them.

    Without the libraries that draw them, log that there are none.
    """
    missing = [name for name in ("altair", "vl_convert") if find_spec(name) is None]
    if missing:
        _LOG.info("no pictures: %s cannot be imported", ", ".join(missing))
        return
    make_folder(run.folder.pictures)
    drawn = 0
    for name, svg in _charts(run):
        write_whole(run.folder.pictures / f"{name}.png", to_png(svg))
        drawn += 1
    for name, svg in (*_filters(run), *_sheets(run)):
        write_whole(run.folder.pictures / f"{name}.png", to_png(svg))
        write_whole(run.folder.pictures / f"{name}.svg", svg)
        drawn += 1
    if drawn:
        _LOG.info("drew %s pictures in %s", drawn, run.folder.pictures)


def _charts(run: SavedRun) -> Iterator[tuple[str, str]]:
    # Imported here, where altair is known to be installed.
    from archbench.reporting.charts.accuracy import measured_accuracy_chart
    from archbench.reporting.charts.save import to_svg
    from archbench.reporting.charts.time_to_accuracy import time_to_accuracy_chart
    from archbench.reporting.charts.training import training_chart

    data = run.data_label
    if run.epochs:
        yield "training", to_svg(training_chart(run.epochs, data=data, chance=run.chance).to_dict())
        yield "time", to_svg(time_to_accuracy_chart(run.epochs, data=data, chance=run.chance).to_dict())
    if any(row.top1_mean is not None for row in run.accuracies):
        yield "accuracy", to_svg(measured_accuracy_chart(run.accuracies, data=data).to_dict())


def _filters(run: SavedRun) -> Iterator[tuple[str, str]]:
    """Yield the first two convolutions of each model, with its first seed that reached the end."""
    for model, seed in _trained(run):
        folder = run.folder.seed(model, seed)
        before, after = read_state(folder.initial), read_state(folder.final)
        subtitle = _subtitle(run, model, seed)
        for layer, svg in filter_pictures(before, after, model=model, subtitle=subtitle).items():
            yield f"filters-{plain_name(model)}-{plain_name(layer)}", svg


def _sheets(run: SavedRun) -> Iterator[tuple[str, str]]:
    """Yield a sheet of test images with each model's predictions, with its first seed that reached the end."""
    data: Data | None = None
    for model, seed in _trained(run):
        data = data or run.load_data()
        predictions = run.predictions(model, seed)
        shown = select_predictions(predictions, _SHEET_IMAGES)
        sheet = prediction_sheet(
            [data.test.images[prediction.image].numpy() for prediction in shown],
            shown,
            data.classes,
            title=f"What {model} sees",
            subtitle=_subtitle(run, model, seed),
            caption=selection_note(predictions, shown),
        )
        yield f"predictions-{plain_name(model)}", sheet


def _trained(run: SavedRun) -> Iterator[tuple[str, int]]:
    """Yield each model that was trained to the end, with the first such seed."""
    for model in run.models:
        seed = run.first_complete_seed(model)
        if seed is not None:
            yield model, seed


def _subtitle(run: SavedRun, model: str, seed: int) -> str:
    row = next(row for row in run.accuracies if row.model == model)
    return f"{run.data_label}, {epochs_text(row)}, seed {seed}"
