"""`archbench train`: which model learns better for its cost."""

from __future__ import annotations

import typer

import archbench
from cli import train_options as options
from cli.options import LayoutOption, StorePath
from cli.output import Destination, is_quiet, output_options


@output_options
def train(
    context: typer.Context,
    models: options.OptionalModels = None,
    data: options.Data = "digits",
    download: options.Download = False,
    size: options.Size = "auto",
    epochs: options.Epochs = None,
    steps: options.Steps = None,
    minutes: options.Minutes = None,
    recipe: options.Recipe = "equal",
    lr: options.LearningRate = None,
    seeds: options.Seeds = 3,
    batch: options.BatchSize = None,
    augment: options.Augment = "none",
    init: options.Init = None,
    vary: options.Vary = None,
    device: options.Device = None,
    dtype: options.Dtype = "fp32",
    layout: LayoutOption = "nchw",
    compile: options.Compile = False,
    threads: options.Threads = None,
    processes: options.Processes = 1,
    out: options.Out = None,
    resume: options.Resume = None,
    checkpoint_every: options.CheckpointEvery = 60.0,
    tensorboard: options.Tensorboard = False,
    only_train: options.OnlyTrain = False,
    store: StorePath = None,
    plan: options.Plan = False,
    yes: options.Yes = False,
    *,
    target: Destination,
) -> None:
    """Train models alike, briefly, and compare their accuracy.

    All models get the same recipe, images, batch and schedule, with several seeds. After an interruption, --resume
    continues. Low and high bound the 95% interval of the mean accuracy.

    Example: archbench train lenet alexnet_owt --size 64 --steps 100
    """
    arguments = {**locals(), "models": models or (), "vary": vary or (), "confirm": None if yes else options.confirm}
    from archbench.api.train import train_only
    from archbench.training.distributed.process_group import is_first_process
    from archbench.training.prepare import require_as_begun
    from cli.progress.train import TrainingProgress

    if plan:
        target.deliver(archbench.train_plan(**options.arguments_of(archbench.train, {**arguments, "progress": None})))
        return
    if resume is not None:
        require_as_begun(resume, options.given_options(context))
    with TrainingProgress() as progress:
        arguments["progress"] = None if is_quiet() else progress
        if only_train:
            train_only(arguments)
            return
        run = archbench.train(**options.arguments_of(archbench.train, arguments))
    if is_first_process():
        target.deliver(run)
        if run.is_doubtful:
            raise typer.Exit(3)
