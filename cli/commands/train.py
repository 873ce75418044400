"""`archbench train`: which model learns better for its cost."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import LayoutOption, StorePath, complete_model, parse_batch_size
from cli.output import Destination, output_options

if TYPE_CHECKING:
    from archbench.training.prepare import Asked

OptionalModels = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MODEL...",
        help="lenet, 'alexnet_owt?activation=tanh', torchvision:resnet18, net.py:Net (runs the file)",
        autocompletion=complete_model,
    ),
]
Data = Annotated[str, typer.Option("--data", metavar="DATA", help="digits, cifar10[:PATH] or folder:PATH.")]
Size = Annotated[str, typer.Option("--size", metavar="auto|N", help="Of the images: each model's own, or N×N for all.")]
Epochs = Annotated[float | None, typer.Option("--epochs", metavar="E", help="Default: 10 of them.")]
Steps = Annotated[int | None, typer.Option("--steps", metavar="S", help="Instead of epochs.", min=1)]
Minutes = Annotated[
    float | None, typer.Option("--minutes", metavar="M", help="For all models and seeds: equal steps that fit.")
]
Seeds = Annotated[int, typer.Option("--seeds", metavar="N", help="How often each model is trained.", min=1)]
BatchSize = Annotated[
    int | None, typer.Option("--batch", metavar="B", help="Default: the recipe's.", parser=parse_batch_size)
]
Recipe = Annotated[str, typer.Option("--recipe", metavar="equal|paper|lecture", help="How models are trained.")]
Augment = Annotated[str, typer.Option("--augment", metavar="crop+flip+color", help="Any of these, or none.")]
Init = Annotated[
    str | None, typer.Option("--init", metavar="kaiming|xavier|paper|torch", help="Default: the recipe's.")
]
Vary = Annotated[
    list[str] | None,
    typer.Option("--vary", metavar="NAME=A,B", help="Each model in each form: activation=relu,sigmoid. Repeatable."),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Keep the run there; default: below runs/.")]
Resume = Annotated[Path | None, typer.Option("--resume", metavar="DIR", help="Go on with a run that was interrupted.")]
CheckpointEvery = Annotated[
    float, typer.Option("--checkpoint-every", metavar="SECONDS", help="0 is after every step.", min=0)
]


@output_options
def train(
    context: typer.Context,
    models: OptionalModels = None,
    data: Data = "digits",
    download: Annotated[bool, typer.Option("--download", help="Fetch cifar10 if it is not there.")] = False,
    size: Size = "auto",
    epochs: Epochs = None,
    steps: Steps = None,
    minutes: Minutes = None,
    recipe: Recipe = "equal",
    seeds: Seeds = 3,
    batch: BatchSize = None,
    augment: Augment = "none",
    init: Init = None,
    vary: Vary = None,
    device: Annotated[
        str | None, typer.Option("--device", metavar="cpu|cuda|mps", help="Default: a GPU if there is one.")
    ] = None,
    dtype: Annotated[str, typer.Option("--dtype", metavar="fp32|tf32|amp|amp-fp16", help="amp is autocast.")] = "fp32",
    layout: LayoutOption = "nchw",
    compile: Annotated[bool, typer.Option("--compile", help="By torch.compile.")] = False,
    threads: Annotated[int | None, typer.Option("--threads", metavar="N", help="Default: all cores.", min=1)] = None,
    processes: Annotated[
        int, typer.Option("--processes", metavar="N", help="Train each model in N processes together.", min=1)
    ] = 1,
    out: Out = None,
    resume: Resume = None,
    checkpoint_every: CheckpointEvery = 60.0,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write its logs, below DIR.")] = False,
    only_train: Annotated[bool, typer.Option("--only-train", hidden=True)] = False,
    store: StorePath = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, however long it takes.")] = False,
    *,
    target: Destination,
) -> None:
    """Train models alike, briefly, and compare their accuracy.

    One recipe, the same images, batch and schedule for all, several seeds. Interrupted, --resume goes on where it was.

    Example: archbench train lenet alexnet_owt --size 64 --steps 100
    """
    from archbench.errors import UsageError
    from archbench.host.machine import KINDS, default_kind, device_name, usable_cores
    from archbench.reporting.export.tensorboard import require_tensorboard
    from archbench.training.distributed.process_group import is_first_process
    from archbench.training.prepare import Asked
    from cli.benching import one_of
    from cli.trained import finish
    from cli.training import Manner, go_on, start

    if tensorboard:
        require_tensorboard()
    if resume is not None and out is not None:
        raise UsageError(f"--resume {resume} goes on in its own folder; leave out --out {out}")
    kind = one_of("--device", device, KINDS) if device else default_kind()
    device_name(kind)  # complains of one that is not there
    manner = Manner(
        kind=kind,
        threads=threads or usable_cores(),
        processes=processes,
        checkpoint_s=checkpoint_every,
        download=download,
        is_sure=yes,
    )
    asked = Asked(
        models=tuple(models or ()),
        data=data,
        size=size,
        epochs=epochs,
        steps=steps,
        minutes=minutes,
        recipe=recipe,
        seeds=seeds,
        batch=batch,
        augment=augment,
        init=init,
        vary=tuple(vary or ()),
        dtype=dtype,
        layout=layout,
        compile=compile,
    )
    place = start(asked, out, manner) if resume is None else go_on(resume, _given(context, asked), manner)
    if not only_train and is_first_process():
        finished = finish(place, store=store, tensorboard=tensorboard)
        target.deliver(finished.table)
        if finished.is_doubtful:
            raise typer.Exit(3)


def _given(context: typer.Context, asked: Asked) -> dict[str, object]:
    """Return what was said on the command line, by the names of `Asked`."""
    said = (name for name in asdict(asked) if _is_said(context, name))
    return {name: getattr(asked, name) for name in said}


def _is_said(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
