"""Load a training run from its folder."""

from __future__ import annotations

from pathlib import Path

from archbench.reporting.training_run import TrainingRun, training_run
from archbench.training.run_dir.load import read_saved_run


def load_run(path: str | Path) -> TrainingRun:
    """Return the training run in a folder that `archbench.train` or `archbench train` made.

    Raises UsageError if the folder holds no run, or a file in it is damaged.

    Example:
        >>> run = archbench.load_run("runs/lenet-digits")
        >>> run.accuracies[0].top1_mean, run.comparison
        >>> run.predict("three.png")
    """
    return training_run(read_saved_run(Path(path)))
