"""Keep the tables of a training of plain and residual networks, and write its section of `docs/vgg_to_resnet.md`.

python results/make_plain_residual.py RUN, where RUN is the folder of the training that `results/README.md` states.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import mean, stdev

import archbench
from archbench.files import write_whole
from archbench.reporting.charts.save import save
from archbench.reporting.training_run import TrainingRun

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "results" / "cifar10_plain_residual"
PAGE = ROOT / "docs" / "vgg_to_resnet.md"
PICTURE = ROOT / "docs" / "pictures" / "plain_residual.png"
BEGIN, END = "<!-- the training, written by results/make_plain_residual.py -->\n", "<!-- end of the training -->"
_DATA = "cifar10:cifar10-jpeg.tar.xz"  # whose folder is of no interest
_KEPT = ("accuracy.csv", "environment.json", "metrics.csv", "run.json")


def section(run: TrainingRun) -> str:
    """Return the command with its table and verdict, and the training losses."""
    return f"{BEGIN}\n{_shown(run)}\n{_losses(run)}\n![Losses and accuracies](pictures/{PICTURE.name})\n\n{END}"


def _shown(run: TrainingRun) -> str:
    asked = run.run.record["asked"]
    models = " ".join(f"'{name}'" if "?" in name else name for name in asked["models"])
    options = ("lr", "steps", "batch", "seeds", "augment", "dtype", "layout")
    given = " ".join(f"--{name} {asked[name]}" for name in options)
    command = f"archbench train {models} --data {_DATA} {given}"
    table = run.render("table", width=80)
    reason = f"{_minutes(run):.0f} minutes of steps with {_threads(run)}, and images that are not in the repository"
    return f"```\n# not run: {reason}\n$ {command}\n{table.rstrip()}\n```\n"


def _minutes(run: TrainingRun) -> float:
    """Return the time of the steps of all trainings together."""
    last = {(epoch.model, epoch.seed): epoch.elapsed_s for epoch in run.epochs}
    return sum(last.values()) / 60


def _threads(run: TrainingRun) -> str:
    number = run.run.record["plan"]["threads"]
    return f"{number} thread{'s' * (number != 1)}"


def _losses(run: TrainingRun) -> str:
    """Return a Markdown table of the training losses: a row per model, a column per epoch."""
    epochs = sorted({epoch.epoch for epoch in run.epochs})
    heads = "".join(f" epoch {epoch} |" for epoch in epochs)
    lines = [f"| training loss |{heads}", "|---|" + "---:|" * len(epochs)]
    for model in run.run.models:
        by_epoch = [[e.train_loss for e in run.epochs if (e.model, e.epoch) == (model, epoch)] for epoch in epochs]
        lines.append(f"| `{model}` |" + "".join(f" {_spread(losses)} |" for losses in by_epoch))
    return "\n".join(lines) + "\n"


def _spread(values: list[float]) -> str:
    return f"{mean(values):.3f} ± {stdev(values):.3f}" if len(values) > 1 else f"{mean(values):.3f}"


def main() -> None:
    """Copy the tables of the run, and write the section of the page."""
    run = archbench.load_run(sys.argv[1])
    FOLDER.mkdir(exist_ok=True)
    for name in _KEPT:
        text = (run.path / name).read_text(encoding="utf-8")
        write_whole(FOLDER / name, text.replace(run.run.record["asked"]["data"], _DATA))
    save(archbench.plot("training", run), PICTURE)
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    write_whole(PAGE, before + section(run) + rest.partition(END)[2])


if __name__ == "__main__":
    main()
