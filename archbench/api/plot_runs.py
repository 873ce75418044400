"""Charts of training runs: accuracy, curves, time to accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from archbench.api.plot_models import published_errors
from archbench.api.plot_published import published_accuracy
from archbench.errors import UsageError
from archbench.models.address import model_names
from archbench.reporting.charts.accuracy import measured_accuracy_chart
from archbench.reporting.charts.confusion import confusion_chart, confusion_of
from archbench.reporting.charts.time_to_accuracy import time_to_accuracy_chart
from archbench.reporting.charts.training import training_chart
from archbench.reporting.training_run import TrainingRun
from archbench.training.run_dir.load import SavedRun, read_saved_run
from archbench.training.run_dir.paths import RunFolder

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart, Size


def _is_run(what: Any) -> bool:
    """Return whether an argument of `plot` is a training run or its folder, and not also a model's name."""
    if isinstance(what, TrainingRun):
        return True
    return isinstance(what, (str, Path)) and str(what) not in model_names() and Path(what).is_dir()


def accuracy(what: Sequence[Any], *, published: bool = False, **options: Any) -> Chart:
    """Return published accuracy against rate with `published`; otherwise a run's accuracies, or models' errors."""
    if published:
        return published_accuracy(what, **options)
    for name in ("device", "mode", "source", "store"):
        if name in options:
            raise UsageError(f"{{{name}}} requires {{published}}", **{name: options[name], "published": True})
    return _accuracy_against_macs(what, **options)


def _accuracy_against_macs(what: Sequence[Any], **size: Unpack[Size]) -> Chart:
    """Return the accuracies that a run measured, or without a run the published errors of models."""
    if not any(map(_is_run, what)):
        return published_errors(what, **size)
    if len(what) > 1:
        raise UsageError(
            "plot accuracy takes one training run alone: measured accuracies cannot be compared with published errors"
        )
    run = _finished(what, "accuracy")
    if all(row.top1_mean is None for row in run.accuracies):
        folder = run.folder.path
        raise UsageError(f"nothing to plot: no model of '{folder}' has an accuracy yet; it has at the run's end")
    return measured_accuracy_chart(run.accuracies, data=run.data_label, **size)


def training(what: Sequence[Any], **size: Unpack[Size]) -> Chart:
    """Return loss and accuracy by epoch."""
    run = _finished(what, "training")
    return training_chart(run.epochs, data=run.data_label, chance=run.chance, **size)


def time_to_accuracy(what: Sequence[Any], *, threshold: float | Sequence[float] = (), **size: Unpack[Size]) -> Chart:
    """Return accuracy against training time."""
    thresholds = (threshold,) if isinstance(threshold, (int, float)) else tuple(threshold)
    for value in thresholds:
        if not 0 < value < 1:
            raise UsageError("{threshold} is not an accuracy; give a fraction such as 0.9", threshold=value)
    run = _finished(what, "time")
    return time_to_accuracy_chart(run.epochs, data=run.data_label, chance=run.chance, thresholds=thresholds, **size)


def confusion(what: Sequence[Any], **size: Unpack[Size]) -> Chart:
    """Return what each class of test images was taken for."""
    run = _finished(what, "confusion")
    by_model = {
        model: [predictions for seed in run.seeds if (predictions := run.predictions(model, seed))]
        for model in run.models
    }
    confusions = [confusion_of(model, by_seed) for model, by_seed in by_model.items() if by_seed]
    if not confusions:
        raise UsageError(f"nothing to plot: no training of '{run.folder.path}' has predictions.csv; it has at its end")
    return confusion_chart(confusions, run.record["data"]["classes"], data=run.data_label, **size)


def _finished(what: Sequence[Any], kind: str) -> SavedRun:
    """Return a run that has at least one epoch. Raises UsageError if there is none."""
    if len(what) != 1 or not isinstance(what[0], (str, Path, TrainingRun)):
        raise UsageError(f"plot {kind} takes exactly one run's folder, got {len(what)} arguments")
    run = what[0].run if isinstance(what[0], TrainingRun) else _read(Path(what[0]))
    if not run.epochs:
        raise UsageError(f"nothing to plot: no epoch of the run '{run.folder.path}' has ended yet")
    return run


def _read(folder: Path) -> SavedRun:
    metrics = RunFolder(folder).metrics
    if not metrics.is_file():
        reason = f"'{folder}' has no {metrics.name}" if folder.is_dir() else f"there is no folder '{folder}'"
        raise UsageError(f"nothing to plot: {reason}; 'archbench train MODEL --out {folder}' makes a run")
    return read_saved_run(folder)
