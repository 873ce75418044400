"""Options of `archbench train`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.options import complete_model, parse_batch_size


def parse_size(text: str | int) -> int | str:
    """Return a number of pixels; any other text as it is, for the library to accept `auto` and refuse the rest."""
    return int(text) if str(text).isdecimal() else str(text)


def parse_rate(text: str | float) -> float | str:
    """Return a learning rate; any other text as it is, for the library to accept `auto` and refuse the rest."""
    try:
        return float(text)
    except ValueError:
        return str(text)


OptionalModels = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MODEL...",
        help="lenet, 'alexnet_owt?activation=tanh', torchvision:resnet18, net.py:Net (runs the file)",
        autocompletion=complete_model,
    ),
]
Data = Annotated[
    str,
    typer.Option(
        "--data", metavar="DATA", help="digits (bundled), cifar10[:PATH] or folder:PATH (a folder per class)."
    ),
]
Download = Annotated[bool, typer.Option("--download", help="Download cifar10 if it is missing.")]
Size = Annotated[
    Any,
    typer.Option(
        "--size", metavar="auto|N", help="Resize images to N×N; auto: each model's own input.", parser=parse_size
    ),
]
Epochs = Annotated[
    float | None, typer.Option("--epochs", metavar="E", help="Passes over the training images; default: by the recipe.")
]
Steps = Annotated[int | None, typer.Option("--steps", metavar="S", help="Optimizer steps, instead of --epochs.", min=1)]
Minutes = Annotated[
    float | None,
    typer.Option("--minutes", metavar="M", help="Minutes for all models and seeds: as many equal steps as fit."),
]
Seeds = Annotated[int, typer.Option("--seeds", metavar="N", help="Trainings per model, each with its own seed.", min=1)]
BatchSize = Annotated[
    int | None,
    typer.Option("--batch", metavar="B", help="Images per step; default: by the recipe.", parser=parse_batch_size),
]
Recipe = Annotated[
    str,
    typer.Option(
        "--recipe",
        metavar="equal|paper|lecture",
        help="Hyperparameters: the same for all, those of each model's paper, or of a lecture.",
    ),
]
LearningRate = Annotated[
    Any,
    typer.Option(
        "--lr",
        metavar="auto|X",
        help="Learning rate; auto, the default of a comparison: for each model by short trainings.",
        parser=parse_rate,
    ),
]
Augment = Annotated[
    str,
    typer.Option(
        "--augment", metavar="crop+flip+color", help="Random changes to training images, joined by +, or none."
    ),
]
Init = Annotated[
    str | None,
    typer.Option(
        "--init",
        metavar="kaiming|xavier|paper|torch",
        help="Initial weights; default: by the recipe, outside the zoo the constructor's.",
    ),
]
Vary = Annotated[
    list[str] | None,
    typer.Option(
        "--vary", metavar="NAME=A,B", help="Train each model with each value: activation=relu,sigmoid. Repeatable."
    ),
]
Device = Annotated[str | None, typer.Option("--device", metavar="cpu|cuda|mps", help="Default: a GPU if there is one.")]
Dtype = Annotated[
    str, typer.Option("--dtype", metavar="fp32|tf32|amp|amp-fp16", help="Precision; amp and amp-fp16: autocast.")
]
Compile = Annotated[bool, typer.Option("--compile", help="Use torch.compile.")]
Threads = Annotated[int | None, typer.Option("--threads", metavar="N", help="CPU threads; default: all cores.", min=1)]
Processes = Annotated[
    int, typer.Option("--processes", metavar="N", help="Data-parallel training in N processes.", min=1)
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="The run's folder, RUN of plot, predict and report; default: a new one in runs/."
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option("--resume", metavar="DIR", help="Continue an interrupted run; runs its model's file."),
]
CheckpointEvery = Annotated[
    float,
    typer.Option("--checkpoint-every", metavar="SECONDS", help="Time between checkpoints; 0: after every step.", min=0),
]
Tensorboard = Annotated[bool, typer.Option("--tensorboard", help="Also write TensorBoard logs, in --out.")]
OnlyTrain = Annotated[bool, typer.Option("--only-train", hidden=True)]
Plan = Annotated[
    bool, typer.Option("--plan", help="Print what would be trained, and how long it takes, without training.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Start a long training without asking.")]


def arguments_of(function: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the values that a function takes, by name."""
    return {name: values[name] for name in signature(function).parameters}


def given_options(context: typer.Context) -> dict[str, Any]:
    """Return the options that stand on the command line, by name."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = {name: context.params[name] for name, source in sources.items() if source and source.name == "COMMANDLINE"}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}


def confirm() -> None:
    """Ask whether to start, if there is a person at the terminal to answer."""
    if sys.stdin.isatty() and sys.stderr.isatty():
        typer.confirm("Go on?", default=True, abort=True, err=True)
