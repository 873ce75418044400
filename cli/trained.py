"""What becomes of a run when it has ended: its table with the verdict, its pictures, its logs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cli.output import note

if TYPE_CHECKING:
    from archbench.reporting.table import Table
    from archbench.training.data.records import Data
    from archbench.training.run_dir.load import FinishedRun

_SHEET_IMAGES = 12


@dataclass(frozen=True, slots=True)
class Finished:
    """The table of a run; it is doubtful where a training failed or diverged."""

    table: Table
    is_doubtful: bool


def finish(place: Path, *, store: Path | None, tensorboard: bool) -> Finished:
    """Return what came of a run, after it was put in the store, and its pictures and logs were written."""
    from archbench.reporting.tables.comparison_text import verdict
    from archbench.reporting.tables.train import accuracy_table
    from archbench.store.database import Store, default_path
    from archbench.training.run_dir.load import read_finished
    from archbench.training.statistics import compare_models

    run = read_finished(place)
    sentences = verdict(run.accuracies, compare_models(run.complete_predictions()))
    with Store(store or default_path()) as kept:
        kept.add_trainings(run.to_store())
    if tensorboard:
        _write_logs(run)
    _draw(run)
    table = accuracy_table(run.accuracies, run.outcomes, run.record["data"], sentences)
    return Finished(table, any(row.status in ("failed", "diverged") for row in run.accuracies))


def _draw(run: FinishedRun) -> None:
    """Draw the charts, filters and prediction sheets, where there is what draws them."""
    from archbench.files import write_whole
    from archbench.reporting.drawings.canvas import to_png
    from archbench.training.run_dir.paths import make_folder

    missing = [name for name in ("altair", "vl_convert") if find_spec(name) is None]
    if missing:
        note(f"no pictures: {', '.join(missing)} cannot be imported")
        return
    make_folder(run.folder.pictures)
    drawn = 0
    for name, svg in (*_charts(run), *_filters(run), *_sheets(run)):
        write_whole(run.folder.pictures / f"{name}.png", to_png(svg))
        drawn += 1
    if drawn:
        note(f"drew {drawn} pictures in {run.folder.pictures}")


def _charts(run: FinishedRun) -> Iterator[tuple[str, str]]:
    from archbench.reporting.charts.accuracy import measured_accuracy_chart
    from archbench.reporting.charts.save import to_svg
    from archbench.reporting.charts.time_to_accuracy import time_to_accuracy_chart
    from archbench.reporting.charts.training import training_chart

    data = run.data_said
    if run.epochs:
        yield "training", to_svg(training_chart(run.epochs, data=data, chance=run.chance).to_dict())
        yield "time", to_svg(time_to_accuracy_chart(run.epochs, data=data, chance=run.chance).to_dict())
    if any(row.top1_mean is not None for row in run.accuracies):
        yield "accuracy", to_svg(measured_accuracy_chart(run.accuracies, data=data).to_dict())


def _filters(run: FinishedRun) -> Iterator[tuple[str, str]]:
    """Yield the first two convolutions of each model, of the first seed that came to the end."""
    from archbench.files import plain_name
    from archbench.reporting.drawings.filters import filter_pictures
    from archbench.training.run_dir.load import read_state

    for model in run.record["plan"]["models"]:
        seed = run.first_ended(model)
        if seed is None:
            continue
        folder = run.folder.seed(model, seed)
        before, after = read_state(folder.initial), read_state(folder.final)
        for layer, svg in filter_pictures(before, after, model=model, subtitle=_told(run, model, seed)).items():
            yield f"filters-{plain_name(model)}-{plain_name(layer)}", svg


def _sheets(run: FinishedRun) -> Iterator[tuple[str, str]]:
    """Yield test images with what each model says of them, with the first seed that came to the end."""
    from archbench.files import plain_name
    from archbench.reporting.drawings.predictions import prediction_sheet, select_predictions, selection_note

    data: Data | None = None
    for model in run.record["plan"]["models"]:
        seed = run.first_ended(model)
        if seed is None:
            continue
        predictions = run.predictions(model, seed)
        data = data or run.load_data()
        shown = select_predictions(predictions, _SHEET_IMAGES)
        yield (
            f"predictions-{plain_name(model)}",
            prediction_sheet(
                [data.test.images[one.image].numpy() for one in shown],
                shown,
                data.classes,
                title=f"What {model} sees",
                subtitle=_told(run, model, seed),
                caption=selection_note(predictions, shown),
            ),
        )


def _told(run: FinishedRun, model: str, seed: int) -> str:
    """Say what a picture of a model is of."""
    from archbench.reporting.tables.train import length_words

    row = next(row for row in run.accuracies if row.model == model)
    return f"{run.data_said}, {length_words(row)}, seed {seed}"


def _write_logs(run: FinishedRun) -> None:
    """Write what `metrics.csv` says as TensorBoard's event files. Raises UsageError if it is not installed."""
    from archbench.reporting.export.tensorboard import write_logs

    write_logs(run.folder.path / "tensorboard", run.epochs)
    note(f"wrote logs: tensorboard --logdir {run.folder.path / 'tensorboard'}")
