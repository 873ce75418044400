"""Tables of trained models: accuracies, epochs and stored runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from archbench.reporting.table import Column, Table
from archbench.store.accuracy import Accuracy
from archbench.store.trainings import TrainingResult
from archbench.training.records import Epoch, Outcome
from archbench.units import format_figure, format_percent

_ACCURACY = (
    Column("model", "Model", "text", 0),
    Column("data", "Data", "text", 12),
    Column("input_shape", "Input", "text", 8),
    Column("epochs", "Epochs", "figure", 9),
    Column("seeds", "Seeds", "plain", 10),
    Column("top1_mean", "Top-1", "percent", 1),
    Column("top1_std", "±", "percent", 5),
    Column("top1_low", "Low", "percent", 4),
    Column("top1_high", "High", "percent", 4),
    Column("top5_mean", "Top-5", "percent", 11),
    Column("params", "Params", "count", 6),
    Column("macs", "MACs", "count", 3),
    Column("images_per_s", "Images/s", "measure", 7),
    Column("time_s", "Time", "time", 7),
    Column("status", "Status", "text", 2),
    Column("chance_top1", "Chance", "percent"),
    Column("chance_top5", "Chance of 5", "percent"),
    Column("peak_bytes", "Memory", "bytes"),
    Column("learning_rate", "Rate", "figure", 5),
)

_TRAININGS = (
    Column("run_id", "Run", "text"),
    Column("started_at", "Started", "text", 9),
    Column("machine", "Machine", "text"),
    Column("folder", "Folder", "text", 10),
    Column("model", "Model", "text", 0),
    Column("data", "Data", "text", 2),
    Column("recipe", "Recipe", "text", 6),
    Column("input_shape", "Input", "text", 7),
    Column("epochs", "Epochs", "figure", 4),
    Column("seeds", "Seeds", "plain", 5),
    Column("top1_mean", "Top-1", "percent", 1),
    Column("top1_std", "±", "percent", 8),
    Column("top1_low", "Low", "percent", 3),
    Column("top1_high", "High", "percent", 3),
    Column("top5_mean", "Top-5", "percent", 11),
    Column("images_per_s", "Images/s", "measure", 12),
    Column("time_s", "Time", "time", 13),
    Column("status", "Status", "text", 2),
)

_METRICS = (
    Column("model", "Model", "text", 0),
    Column("seed", "Seed", "plain", 1),
    Column("epoch", "Epoch", "plain", 2),
    Column("step", "Step", "plain", 6),
    Column("train_loss", "Train loss", "measure", 3),
    Column("test_loss", "Test loss", "measure", 7),
    Column("top1", "Top-1", "percent", 4),
    Column("top5", "Top-5", "percent", 8),
    Column("learning_rate", "Rate", "figure", 9),
    Column("images_per_s", "Images/s", "measure", 6),
    Column("elapsed_s", "Time", "time", 7),
    Column("validation_loss", "Val. loss", "measure", 5),
    Column("validation_top1", "Val. top-1", "percent", 4),
    Column("validation_top5", "Val. top-5", "percent", 10),
)


def accuracy_table(
    accuracies: Sequence[Accuracy], outcomes: Sequence[Outcome], record: Mapping[str, Any], verdict: Sequence[str] = ()
) -> Table:
    """Return one row per model; below it the accuracy of guessing, the verdict, and why a status is not `ok`.

    `record` is the content of `run.json`.
    """
    data = record["data"]
    models = record.get("models", {})
    chance = _chance_note(accuracies[0]) if accuracies else ""
    return Table(
        columns=_ACCURACY,
        rows=[asdict(row) for row in accuracies],
        title=f"{data['name']}: {data['images']['train']:,} training and {data['images']['test']:,} test images",
        notes=tuple(filter(None, (chance, *verdict))),
        doubts=_doubts(outcomes, models),
        caveats=tuple(filter(None, (data["caveat"],))),
    )


def _chance_note(row: Accuracy) -> str:
    assert row.chance_top1 is not None, "a run folder has it"
    assert row.chance_top5 is not None, "a run folder has it"
    chances = f"{format_percent(row.chance_top1)} top-1 and {format_percent(row.chance_top5)} top-5"
    return f"Guessing gives {chances}."


def trainings_table(results: Sequence[TrainingResult]) -> Table:
    """Return one row per model of each stored run."""
    count = f"{len(results)} trained model{'' if len(results) == 1 else 's'}"
    return Table(columns=_TRAININGS, rows=[_training_row(result) for result in results], title=count)


def _training_row(result: TrainingResult) -> dict[str, Any]:
    row = asdict(result)
    return {**row.pop("accuracy"), **row}


def metrics_table(rows: Sequence[Epoch]) -> Table:
    """Return one row per epoch of every model and seed."""
    return Table(columns=_METRICS, rows=[asdict(row) for row in rows])


def epochs_text(row: Accuracy) -> str:
    """Return how many epochs a model was trained, such as `2.25 epochs`."""
    epochs = format_figure(round(row.epochs, 2))
    return f"{epochs} epoch{'' if epochs == '1' else 's'}"


def _doubts(outcomes: Sequence[Outcome], models: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the notes and failures of each model's trainings, equal ones of several seeds once."""
    lines = [f"{outcome.model}: {text}" for outcome in outcomes for text in (*_failure(outcome), *outcome.notes)]
    return (*dict.fromkeys(lines), *_vanished_signals(outcomes, models))


def _failure(outcome: Outcome) -> tuple[str, ...]:
    if outcome.status not in ("failed", "diverged"):
        return ()
    return (f"{outcome.status} with seed {outcome.seed}: {outcome.reason}",)


def _vanished_signals(outcomes: Sequence[Outcome], models: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return for models at chance how much the image changes the initial scores; near 0, no recipe can train them.

    Of weights that the constructor drew, it says what else there is.
    """
    spreads: dict[str, float] = {}
    for outcome in outcomes:
        if outcome.status == "chance" and outcome.initial_spread is not None:
            spreads[outcome.model] = max(spreads.get(outcome.model, 0.0), outcome.initial_spread)
    return [
        f"{model}: before the first step the scores of different images differed by {spread:.1e} at most"
        f"{'; try --init kaiming' if models.get(model, {}).get('initialisation') == 'torch' else ''}."
        for model, spread in spreads.items()
    ]
