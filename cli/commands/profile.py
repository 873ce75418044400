"""`archbench profile`: where the time of a step goes, layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli.options import (
    Batch,
    Dtype,
    Inputs,
    LayoutOption,
    Mode,
    Model,
    ModeOption,
)
from cli.output import Destination, output_options

if TYPE_CHECKING:
    from archbench.store.records import Configuration
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
    from archbench.host.machine import device_name, usable_cores
    from archbench.measure.bench.sweep import configurations
    from archbench.precision import find_precision

    _require_places(trace, target.path)
    kind: Any = _kind(device)
    precision = find_precision(dtype)
    _require_sense(kind, precision.tf32)
    (configuration,) = configurations(
        [model], inputs=input or (), kind=kind, device=device_name(kind), modes=[mode], batches=[batch],
        dtypes=[precision.name], layouts=[layout], threads=threads or usable_cores(),
    )  # fmt: skip
    _deliver(model, configuration, mode, max_seconds, top, trace, target)


def _deliver(
    model: str, configuration: Configuration, mode: Mode, max_seconds: float, top: int | None, trace: Path | None,
    target: Destination,
) -> None:  # fmt: skip
    """Profile, and write the profiler's own trace, if it is wanted, and the table."""
    from archbench.analyze.layers import layer_table
    from archbench.analyze.performance.layer_times import top_rows
    from archbench.files import write_whole
    from archbench.host.environment import environment, load_warning
    from archbench.measure.profile.profile import conditions_here, profile_layers
    from archbench.precision import find_precision
    from archbench.reporting.tables.model import caveats
    from archbench.reporting.tables.profile import ProfiledModel, profile_document, profile_table
    from cli.loading import load
    from cli.output import note, warn

    precision = find_precision(configuration.dtype)
    loaded = load(model, configuration.inputs, precision)
    record = loaded.trace(configuration.batch, mode, _optimizer(configuration.kind))
    conditions = conditions_here(configuration)
    warning = load_warning(environment("cpu"))
    if warning is not None:
        warn(warning)
    measured = profile_layers(
        configuration, record, conditions, max_seconds, lambda phase: note(f"{model}: {phase}"),
        wants_chrome_trace=trace is not None,
    )  # fmt: skip
    if trace is not None and measured.chrome_trace is not None:
        write_whole(trace, measured.chrome_trace)
        note(f"wrote {trace}")
    profiled = ProfiledModel(model, measured, configuration, conditions)
    rows = measured.rows if top is None else top_rows(measured.rows, top)
    notes = caveats(model, layer_table(record), record.real_data_reason)
    target.deliver(profile_table(profiled, rows, notes), profile_document(profiled, rows))


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
        raise UsageError("--dtype tf32 requires an NVIDIA GPU")


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
