"""`archbench bench`: how fast models are here."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.options import Inputs, Models, StorePath, complete_precision
from cli.output import Destination, output_options

Kind = Annotated[str | None, typer.Option("--device", metavar="cpu|cuda|mps", help="Default: a GPU if there is one.")]
Dtypes = Annotated[
    str,
    typer.Option("--dtype", metavar="DTYPE,...", help="fp32,tf32,bf16,fp16,amp.", autocompletion=complete_precision),
]
BatchSizes = Annotated[
    str, typer.Option("--batch", metavar="N", help="1,32,256 or 1..256; auto is the largest that is safe.")
]
Threads = Annotated[int | None, typer.Option("--threads", metavar="N", help="On a CPU; default: all cores.", min=1)]
Seconds = Annotated[
    float,
    typer.Option("--max-seconds", metavar="S", help="Most of a configuration, warm-up apart.", min=0.1),
]
Processes = Annotated[
    int | None,
    typer.Option("--processes", metavar="N", help="A configuration; default: 5 on a CPU, else 1.", min=1),
]


@output_options
def bench(
    models: Models,
    input: Inputs = None,
    device: Kind = None,
    batch: BatchSizes = "1",
    dtype: Dtypes = "fp32",
    layout: Annotated[str, typer.Option("--layout", metavar="LAYOUT,...", help="nchw,nhwc.")] = "nchw",
    mode: Annotated[str, typer.Option("--mode", metavar="MODE,...", help="eval,train.")] = "eval",
    compile: Annotated[bool, typer.Option("--compile", help="By torch.compile.")] = False,
    graphs: Annotated[bool, typer.Option("--graphs", help="By replaying a CUDA graph of the step.")] = False,
    phases: Annotated[bool, typer.Option("--phases", help="Also time the phases of a training step.")] = False,
    threads: Threads = None,
    processes: Processes = None,
    max_seconds: Seconds = 60.0,
    versus: Annotated[
        str | None, typer.Option("--versus", metavar="MODEL", help="Compare with it in pairs, a block each in turn.")
    ] = None,
    rerun: Annotated[bool, typer.Option("--rerun", help="Measure anew what was measured before.")] = False,
    store: StorePath = None,
    *,
    target: Destination,
) -> None:
    """Measure throughput, latency and memory.

    Every combination of what is listed, each in processes of its own. What is finished is kept: interrupted, the same
    command goes on with what is missing. Exit code 3 if something could not be measured or trusted.

    Example: archbench bench alexnet vgg16 --batch 1,32 --dtype fp32,amp
    """
    from archbench.errors import UsageError
    from archbench.host.machine import KINDS, default_kind, device_name, usable_cores
    from archbench.measure.bench.sweep import configurations
    from archbench.measure.worker.request import RunOptions
    from archbench.precision import PRECISIONS
    from archbench.reporting.tables.bench import bench_table
    from cli.benching import ab_test_of, list_of, measured, one_of, parse_batches, require_sense

    kind = one_of("--device", device, KINDS) if device else default_kind()
    shared: dict[str, Any] = {
        "inputs": input or [],
        "kind": kind,
        "device": device_name(kind),
        "modes": list_of("--mode", mode, ("eval", "train")),
        "batches": parse_batches(batch),
        "dtypes": list_of("--dtype", dtype, tuple(PRECISIONS)),
        "layouts": list_of("--layout", layout, ("nchw", "nhwc")),
        "compiled": compile,
        "graphs": graphs,
        "threads": threads or usable_cores(),
    }
    options = RunOptions(max_seconds, processes or (5 if kind == "cpu" else 1), phases)
    todo = configurations(list(dict.fromkeys(models)), **shared)
    require_sense(todo, phases=phases)
    if versus is not None and (store or rerun or processes or phases):
        raise UsageError(
            "--versus keeps nothing and has its own processes; leave --store, --rerun, --processes and --phases out"
        )
    if versus is not None:
        target.deliver(*ab_test_of(todo, configurations([versus], **shared)[0], versus, options))
        return
    results = measured(todo, options, store, rerun=rerun)
    target.deliver(bench_table(results, title=f"{todo[0].device}, {kind}"))
    if any(result.status != "ok" for result in results):
        raise typer.Exit(3)
