"""Options of the commands that measure, and how their values are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from archbench.errors import OutputError, UsageError
from cli.options import complete_model, complete_precision, parse_batch_size

Kind = Annotated[str | None, typer.Option("--device", metavar="cpu|cuda|mps", help="Default: a GPU if there is one.")]
ProfiledKind = Annotated[
    Literal["cpu", "cuda", "mps"] | None, typer.Option("--device", help="Default: a GPU if there is one.")
]
Batches = Annotated[
    str,
    typer.Option(
        "--batch",
        metavar="N",
        help="Samples per step: 32, or several: 1,32,256 or 1..256; auto: the largest that fits.",
    ),
]
Dtypes = Annotated[
    str,
    typer.Option(
        "--dtype",
        metavar="DTYPE,...",
        help="fp32, tf32, bf16, fp16, amp or amp-fp16; several: fp32,amp.",
        autocompletion=complete_precision,
    ),
]
Layouts = Annotated[
    str,
    typer.Option(
        "--layout",
        metavar="LAYOUT,...",
        help="Memory layout: channels first (nchw) or last (nhwc), or both: nchw,nhwc.",
    ),
]
Modes = Annotated[
    str, typer.Option("--mode", metavar="MODE,...", help="eval, train (a training step), or both: eval,train.")
]
Compile = Annotated[bool, typer.Option("--compile", help="Use torch.compile.")]
Graphs = Annotated[bool, typer.Option("--graphs", help="Replay each step as a CUDA graph.")]
Phases = Annotated[
    bool, typer.Option("--phases", help="Also time forward, backward and update; requires --mode train.")
]
Threads = Annotated[
    int | None, typer.Option("--threads", metavar="N", help="CPU threads; default: all cores. Not with a GPU.", min=1)
]
Processes = Annotated[
    int | None,
    typer.Option("--processes", metavar="N", help="Processes per configuration; default: 5 on a CPU, else 1.", min=1),
]
Seconds = Annotated[
    float,
    typer.Option("--max-seconds", metavar="S", help="Time limit per configuration, excluding warm-up.", min=0.1),
]
Cold = Annotated[
    bool, typer.Option("--cold", help="CPU: start every process anew, not from one that has imported torch.")
]
ProfileSeconds = Annotated[
    float, typer.Option("--max-seconds", metavar="S", help="Time limit, excluding the building of the model.", min=0.1)
]
Versus = Annotated[
    str | None, typer.Option("--versus", metavar="MODEL", help="Compare with this model, in alternating blocks.")
]
MaxSlowdown = Annotated[
    str | None,
    typer.Option("--max-slowdown", metavar="P%", help="With --versus: exit 1 if slower by more than this: 5%."),
]
Rerun = Annotated[bool, typer.Option("--rerun", help="Measure stored configurations again.")]
Top = Annotated[int | None, typer.Option("--top", metavar="K", help="Only the K slowest rows, slowest first.", min=1)]
ChromeTrace = Annotated[
    Path | None,
    typer.Option("--trace", metavar="PATH.json", help="Also write the profiler's trace, for chrome://tracing."),
]


def complete_status(incomplete: str) -> list[str]:
    """Return the statuses that begin so."""
    from archbench.store.records import STATUSES

    return [name for name in STATUSES if name.startswith(incomplete)]


def parse_limit(text: str | int) -> int:
    """Return a number of results."""
    from archbench.units import is_whole_number

    if not is_whole_number(str(text)):
        raise typer.BadParameter(f"'{text}' is not a number of results; give a whole number from 1")
    return int(text)


StoredModel = Annotated[
    str | None, typer.Option("--model", metavar="MODEL", help="Only this model.", autocompletion=complete_model)
]
StoredStatus = Annotated[
    str | None,
    typer.Option(
        "--status",
        metavar="STATUS",
        help="Only ok, not_converged, implausible, oom or failed.",
        autocompletion=complete_status,
    ),
]
StoredMode = Annotated[Literal["eval", "train"] | None, typer.Option("--mode", help="Only this mode.")]
StoredDevice = Annotated[
    str | None, typer.Option("--device", metavar="DEVICE", help="Only cpu, cuda, mps, or a device's name.")
]
StoredDtype = Annotated[
    str | None, typer.Option("--dtype", metavar="DTYPE", help="Only this dtype.", autocompletion=complete_precision)
]
StoredBatch = Annotated[
    int | None, typer.Option("--batch", metavar="N", help="Only this batch size.", parser=parse_batch_size)
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", metavar="N", parser=parse_limit, help="Only the N newest."),
]
Import = Annotated[
    list[Path] | None,
    typer.Option(
        "--import",
        metavar="PATH|timm:FILE.csv",
        help="First import another store, or a result file of timm. Repeatable.",
    ),
]
Published = Annotated[bool, typer.Option("--published", help="List imported published results instead.")]
Raw = Annotated[bool, typer.Option("--raw", help="Add samples, environment, flags and reason; requires --format json.")]
FirstRun = Annotated[str, typer.Argument(metavar="RUN1", help="A run id; its beginning is enough.")]
SecondRun = Annotated[str, typer.Argument(metavar="RUN2", help="The run to compare with.")]


def parse_batches(text: str) -> list[int | Literal["auto"]]:
    """Return the batch sizes in a list; `auto` stands for the largest safe batch."""
    from archbench.units import parse_range

    words = text.split(",")
    numbers = [word for word in words if word != "auto"]
    sizes: list[int | Literal["auto"]] = [*parse_range(",".join(numbers), "batch size")] if numbers else []
    return sizes if len(numbers) == len(words) else [*sizes, "auto"]


def single_values(versus: str, **lists: list[Any]) -> dict[str, Any]:
    """Return the only value of each list. Raises UsageError if there are several, or the batch is to be searched."""
    if any(len(values) != 1 for values in lists.values()) or lists["batch"] == ["auto"]:
        raise UsageError(f"--versus {versus} compares one configuration; give one model, batch, dtype, layout and mode")
    return {name: value for name, (value,) in lists.items()}


def require_versus(max_slowdown: str | None) -> None:
    """Raise UsageError for a limit for the slowdown without a model to compare with."""
    if max_slowdown is not None:
        raise UsageError(f"--max-slowdown {max_slowdown} requires --versus MODEL, the baseline")


def require_folder(path: Path | None) -> None:
    """Raise OutputError, before anything is measured, if the output's folder does not exist."""
    if path is not None and not path.parent.is_dir():
        raise OutputError(f"cannot write '{path}': there is no folder '{path.parent}'")


def require_nothing_stored(*options: object) -> None:
    """Raise UsageError for options of what is stored, which an A/B test does not do."""
    if any(options):
        raise UsageError(
            "--versus stores nothing and has its own processes; leave --store, --rerun, --processes and --phases out"
        )
