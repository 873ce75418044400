"""`archbench bench`: throughput, latency and memory on this machine."""

from __future__ import annotations

from typing import Any

import typer

import archbench
from cli import measure_options as options
from cli.options import Inputs, Models, StorePath
from cli.output import Destination, output_options


@output_options
def bench(
    models: Models,
    input: Inputs = None,
    device: options.Kind = None,
    batch: options.Batches = "1",
    dtype: options.Dtypes = "fp32",
    layout: options.Layouts = "nchw",
    mode: options.Modes = "eval",
    compile: options.Compile = False,
    graphs: options.Graphs = False,
    phases: options.Phases = False,
    threads: options.Threads = None,
    processes: options.Processes = None,
    max_seconds: options.Seconds = 60.0,
    cold: options.Cold = False,
    versus: options.Versus = None,
    max_slowdown: options.MaxSlowdown = None,
    rerun: options.Rerun = False,
    store: StorePath = None,
    *,
    target: Destination,
) -> None:
    """Measure throughput, latency and memory on this machine.

    Measures every combination of the given values, each in processes of its own. Results are stored at once: after an
    interruption, the same command continues. Exits with 3 if a result is not reliable, with 1 if
    a slowdown beyond --max-slowdown is shown.

    'Of peak' is the share of the device's peak FLOP/s; low and high bound the 95% interval of the rate.

    Example: archbench bench alexnet vgg16 --batch 1,32 --dtype fp32,amp
    """
    from cli.progress.bench import BenchProgress

    lists: dict[str, Any] = {"dtype": dtype.split(","), "layout": layout.split(","), "mode": mode.split(",")}
    lists["batch"] = options.parse_batches(batch)
    shared: dict[str, Any] = {"inputs": input, "device": device, "compile": compile, "graphs": graphs}
    shared |= {"threads": threads, "max_seconds": max_seconds, "cold": cold}
    with BenchProgress() as progress:
        if versus is not None:
            options.require_nothing_stored(store, rerun, processes, phases)
            values = options.single_values(versus, a=models, **lists)
            comparison = archbench.ab_test(b=versus, **values, **shared, max_slowdown=max_slowdown, progress=progress)
            target.deliver(comparison)
            raise typer.Exit(0 if comparison.passed else 1)
        options.require_versus(max_slowdown)
        kept: dict[str, Any] = {"phases": phases, "processes": processes, "rerun": rerun, "store": store}
        results = archbench.bench(models, **lists, **shared, **kept, progress=progress)
    target.deliver(results)
    if not results.is_ok:
        raise typer.Exit(3)
