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


OptionalModels = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MODEL...",
        help="lenet, 'alexnet_owt?activation=tanh', torchvision:resnet18, net.py:Net (runs the file)",
        autocompletion=complete_model,
    ),
]
Data = Annotated[str, typer.Option("--data", metavar="DATA", help="digits, cifar10[:PATH] or folder:PATH.")]
Download = Annotated[bool, typer.Option("--download", help="Fetch cifar10 if it is not there.")]
Size = Annotated[
    Any,
    typer.Option(
        "--size", metavar="auto|N", help="Resize images to N×N; auto: each model's own input.", parser=parse_size
    ),
]
Epochs = Annotated[
    float | None, typer.Option("--epochs", metavar="E", help="Passes over the training images; default: the recipe's.")
]
Steps = Annotated[int | None, typer.Option("--steps", metavar="S", help="Optimizer steps, instead of --epochs.", min=1)]
Minutes = Annotated[
    float | None,
    typer.Option("--minutes", metavar="M", help="Time for all models and seeds: as many equal steps as fit."),
]
Seeds = Annotated[int, typer.Option("--seeds", metavar="N", help="Trainings of each model.", min=1)]
BatchSize = Annotated[
    int | None,
    typer.Option("--batch", metavar="B", help="Images per step; default: the recipe's.", parser=parse_batch_size),
]
Recipe = Annotated[
    str,
    typer.Option(
        "--recipe",
        metavar="equal|paper|lecture",
        help="Hyperparameters: the same for all, each model's from its paper, or of a lecture.",
    ),
]
Augment = Annotated[
    str, typer.Option("--augment", metavar="crop+flip+color", help="Any of these joined by +, or none.")
]
Init = Annotated[
    str | None,
    typer.Option("--init", metavar="kaiming|xavier|paper|torch", help="Initial weights; default: the recipe's."),
]
Vary = Annotated[
    list[str] | None,
    typer.Option(
        "--vary", metavar="NAME=A,B", help="Train each model with each value: activation=relu,sigmoid. Repeatable."
    ),
]
Device = Annotated[str | None, typer.Option("--device", metavar="cpu|cuda|mps", help="Default: a GPU if there is one.")]
Dtype = Annotated[str, typer.Option("--dtype", metavar="fp32|tf32|amp|amp-fp16", help="amp is autocast.")]
Compile = Annotated[bool, typer.Option("--compile", help="Use torch.compile.")]
Threads = Annotated[int | None, typer.Option("--threads", metavar="N", help="CPU threads; default: all cores.", min=1)]
Processes = Annotated[
    int, typer.Option("--processes", metavar="N", help="Train each model in N processes together.", min=1)
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Folder for the run; default: a new one below runs/.")
]
Resume = Annotated[
    Path | None,
    typer.Option(
        "--resume", metavar="DIR", help="Continue an interrupted run; executes its model's file, as MODEL does."
    ),
]
CheckpointEvery = Annotated[
    float,
    typer.Option("--checkpoint-every", metavar="SECONDS", help="Time between checkpoints; 0: every step.", min=0),
]
Tensorboard = Annotated[bool, typer.Option("--tensorboard", help="Also write TensorBoard logs, below DIR.")]
OnlyTrain = Annotated[bool, typer.Option("--only-train", hidden=True)]
Yes = Annotated[bool, typer.Option("--yes", help="Start without confirmation, however long it takes.")]


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
