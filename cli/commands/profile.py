"""`archbench profile`: where the time of a step goes, layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli.options import (
    Batch,
    Dtype,
    Inputs,
    Layout,
    LayoutOption,
    Mode,
    Model,
    ModeOption,
)
from cli.output import Destination, output_options

if TYPE_CHECKING:
    from archbench.measure.worker.request import Request
    from archbench.trace.optimizer_step import Optimizer
    from cli.output import Destination


Kind = Literal["cpu", "cuda", "mps"]


Top = Annotated[
    int | None, typer.Option("--top", metavar="K", help="Only the K rows that take longest, longest first.", min=1)
]
ChromeTrace = Annotated[
    Path | None, typer.Option("--trace", metavar="PATH.json", help="Write the profiler's trace, for chrome://tracing.")
]
Seconds = Annotated[float, typer.Option("--max-seconds", metavar="S", help="Most of it, building apart.", min=0.1)]


@output_options
def profile(
    model: Model,
    input: Inputs = None,
    device: Annotated[Kind | None, typer.Option("--device", help="Default: a GPU if there is one.")] = None,
    batch: Batch = 1,
    dtype: Dtype = "fp32",
    layout: LayoutOption = "nchw",
    mode: ModeOption = "eval",
    threads: Annotated[
        int | None, typer.Option("--threads", metavar="N", help="On a CPU; default: all cores.", min=1)
    ] = None,
    top: Top = None,
    trace: ChromeTrace = None,
    max_seconds: Seconds = 30.0,
    *,
    target: Destination,
) -> None:
    """Measure where the time of a step goes, layer by layer.

    Rows have the names that 'archbench summary' gives them and sum to the time of a step; gaps are what is left.

    Example: archbench profile vgg16 --batch 32 --mode train --top 10 --trace vgg16.json
    """
    from archbench.host.machine import usable_cores
    from archbench.measure.worker.request import Request
    from archbench.precision import find_precision

    _require_places(trace, target.path)
    kind = _kind(device)
    precision = find_precision(dtype)
    _require_sense(kind, precision.tf32)
    request = Request(
        model=model,
        inputs=tuple(input or ()),
        kind=kind,
        mode=mode,
        batch=batch,
        dtype=precision.name,
        layout=layout,
        compiled=False,
        graphs=False,
        threads=threads or usable_cores(),
        processes=1,
        seconds=max_seconds,
    )
    _deliver(request, mode, layout, top, trace, target)


def _deliver(
    request: Request, mode: Mode, layout: Layout, top: int | None, trace: Path | None, target: Destination
) -> None:
    """Profile, and write the profiler's own trace, if it is wanted, and the table."""
    from archbench.analyze.layers import layer_table
    from archbench.analyze.performance.layer_times import top_rows
    from archbench.files import write_whole
    from archbench.host.environment import environment, load_warning
    from archbench.host.machine import device_name
    from archbench.measure.profile.profile import conditions_here, profile
    from archbench.precision import find_precision
    from archbench.reporting.tables.model import caveats
    from archbench.reporting.tables.profile import Profiled, profile_document, profile_table
    from cli.loading import load
    from cli.output import note, warn

    model, precision, device = request.model, find_precision(request.dtype), device_name(request.kind)
    record = load(model, request.inputs, precision).trace(request.batch, mode, _optimizer(request.kind))
    conditions = conditions_here(request.kind, request.threads, precision, layout)
    warning = load_warning(environment("cpu"))
    if warning is not None:
        warn(warning)
    measured = profile(
        request, record, conditions, lambda what: note(f"{model}: {what}"), wants_chrome_trace=trace is not None
    )
    if trace is not None and measured.chrome_trace is not None:
        write_whole(trace, measured.chrome_trace)
        note(f"wrote {trace}")
    found = Profiled(measured, request, device, conditions)
    rows = measured.rows if top is None else top_rows(measured.rows, top)
    said = caveats(model, layer_table(record), record.real_data_reason)
    target.deliver(profile_table(found, rows, said), profile_document(found, rows))


def _kind(asked: Kind | None) -> str:
    """Return the kind of device that is meant. Raises UsageError for one that the profiler does not see into."""
    from archbench.errors import UsageError
    from archbench.host.machine import default_kind

    if asked is None:
        found = default_kind()
        return "cpu" if found == "mps" else found
    if asked == "mps":
        raise UsageError("--device mps: torch's profiler sees no kernels there; profile on cpu or cuda")
    return asked


def _require_sense(kind: str, tf32: bool) -> None:
    from archbench.errors import UsageError

    if tf32 and kind != "cuda":
        raise UsageError(f"--dtype tf32 is of NVIDIA GPUs; a {kind} has none")


def _require_places(trace: Path | None, output: Path | None) -> None:
    """Raise before anything is measured if what is found could not be written."""
    from archbench.errors import OutputError, UsageError

    if trace is not None and trace.suffix != ".json":
        raise UsageError(f"--trace {trace} is written as JSON; give a name that ends in .json")
    for path in filter(None, (trace, output)):
        if not path.parent.is_dir():
            raise OutputError(f"cannot write '{path}': there is no folder '{path.parent}'")


def _optimizer(kind: str) -> Optimizer:
    """Return what a training step ends with, in the form that torch chooses on the device."""
    from archbench.trace.optimizer_step import Optimizer

    return Optimizer("momentum", "loop" if kind == "cpu" else "foreach")
