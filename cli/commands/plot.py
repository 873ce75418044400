"""`archbench plot`: charts, as PNG, SVG or interactive HTML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archbench.reporting.charts.catalogue import KINDS
from cli.options import (
    Algorithm,
    Inputs,
    Mode,
    StorePath,
    complete_device,
    complete_model,
    complete_precision,
    parse_amount,
    parse_batch_size,
)


def complete_kind(incomplete: str) -> list[tuple[str, str]]:
    """Return the kinds of charts whose names begin so, with what they draw."""
    return [(kind.name, kind.draws) for kind in KINDS.values() if kind.name.startswith(incomplete)]


def parse_pixels(text: str | int) -> int:
    """Return a number of pixels that a chart can have."""
    if not str(text).isdecimal() or not 100 <= int(text) <= 10_000:
        raise typer.BadParameter(f"'{text}' is no size; give pixels from 100 to 10000")
    return int(text)


def parse_scale(text: str | float) -> float:
    """Return how many pixels of PNG each of the chart's becomes."""
    scale = parse_amount(text)
    if not 0.1 <= scale <= 10:
        raise typer.BadParameter(f"'{text}' is no scale; give a number from 0.1 to 10")
    return scale


def parse_threshold(text: str | float) -> float:
    """Return an accuracy as a fraction."""
    threshold = parse_amount(text)
    if not 0 < threshold < 1:
        raise typer.BadParameter(f"'{text}' is no accuracy; give a fraction such as 0.9")
    return threshold


_LIST = "; ".join(f"{kind.name} {kind.of}: {kind.draws}" for kind in KINDS.values())

KindName = Annotated[str, typer.Argument(metavar="KIND", help=f"{_LIST}.", autocompletion=complete_kind)]
Of = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[MODEL...|RUN]", help="Addresses of models, or a training run's folder.", autocompletion=complete_model
    ),
]
File = Annotated[
    Path | None, typer.Option("--output", metavar="PATH", help="A .png, .svg or .html file; default: KIND.svg.")
]
Width = Annotated[int | None, typer.Option("--width", metavar="N", help="Pixels of the plot.", parser=parse_pixels)]
Height = Annotated[int | None, typer.Option("--height", metavar="N", help="Pixels of the plot.", parser=parse_pixels)]
Scale = Annotated[float | None, typer.Option("--scale", metavar="X", help="Of PNG; default: 2.", parser=parse_scale)]
Samples = Annotated[int | None, typer.Option("--batch", metavar="N", help="Samples.", parser=parse_batch_size)]
ModeChoice = Annotated[Mode | None, typer.Option("--mode", help="Default: eval, or any that was measured.")]
DtypeChoice = Annotated[
    str | None,
    typer.Option("--dtype", metavar="DTYPE", help="Default: fp32, or any.", autocompletion=complete_precision),
]
Update = Annotated[Algorithm | None, typer.Option("--optimizer", help="With --mode train; default: momentum.")]
DeviceName = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="NAME",
        help="roofline: see 'archbench devices'; measured: cpu, cuda, mps or a device's own name.",
        autocompletion=complete_device,
    ),
]
Threshold = Annotated[
    list[float] | None,
    typer.Option("--threshold", metavar="X", help="An accuracy, such as 0.9. Repeatable.", parser=parse_threshold),
]


def plot(
    kind: KindName,
    of: Of = None,
    output: File = None,
    width: Width = None,
    height: Height = None,
    scale: Scale = None,
    input: Inputs = None,
    batch: Samples = None,
    mode: ModeChoice = None,
    dtype: DtypeChoice = None,
    optimizer: Update = None,
    device: DeviceName = None,
    store: StorePath = None,
    threshold: Threshold = None,
) -> None:
    """Draw a chart of one kind; the output's ending says what is written.

    Example: archbench plot layers vgg16 --output vgg16.png
    """
    from archbench.errors import UsageError
    from archbench.reporting.charts.catalogue import find_kind
    from archbench.reporting.charts.save import require_ending, require_libraries, save
    from cli.output import note
    from cli.plotting import Asked, chart

    chosen = find_kind(kind)
    path = output or Path(f"{chosen.name}.svg")
    require_ending(path)
    if scale is not None and path.suffix.lower() != ".png":
        raise UsageError(f"--scale {scale:g} says nothing to '{path}'; it is for .png")
    require_libraries()
    options = {
        "input": input,
        "batch": batch,
        "mode": mode,
        "dtype": dtype,
        "optimizer": optimizer,
        "device": device,
        "store": store,
        "threshold": threshold,
    }
    save(chart(Asked(chosen, tuple(of or ()), options, width, height)), path, scale or 2.0)
    note(f"wrote {path}")
