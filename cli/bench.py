"""`archbench bench`: how fast models are here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Csv, FormatOption, Inputs, Models, Output, complete_precision, parse_range
from cli.results import StorePath

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archbench.measure.sweep import Sweep
    from archbench.report.table import Table
    from archbench.store.records import Result

Kind = Annotated[str | None, typer.Option("--device", metavar="cpu|cuda|mps", help="Default: a GPU if there is one.")]
Dtypes = Annotated[
    str,
    typer.Option("--dtype", metavar="DTYPE,...", help="fp32,tf32,bf16,fp16,amp.", autocompletion=complete_precision),
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


def bench(
    models: Models,
    input: Inputs = None,
    device: Kind = None,
    batch: Annotated[str, typer.Option("--batch", metavar="N", help="1,32,256 or 1..256.")] = "1",
    dtype: Dtypes = "fp32",
    layout: Annotated[str, typer.Option("--layout", metavar="LAYOUT,...", help="nchw,nhwc.")] = "nchw",
    mode: Annotated[str, typer.Option("--mode", metavar="MODE,...", help="eval,train.")] = "eval",
    compile: Annotated[bool, typer.Option("--compile", help="By torch.compile.")] = False,
    threads: Threads = None,
    processes: Processes = None,
    max_seconds: Seconds = 60.0,
    versus: Annotated[
        str | None, typer.Option("--versus", metavar="MODEL", help="Compare with it in pairs, one block in turn.")
    ] = None,
    rerun: Annotated[bool, typer.Option("--rerun", help="Measure anew what was measured before.")] = False,
    store: StorePath = None,
    format: FormatOption = None,
    output: Output = None,
    csv: Csv = None,
) -> None:
    """Measure throughput, latency and memory.

    Every combination of what is listed, each in processes of its own. What is finished is kept: interrupted, the same
    command goes on with what is missing. Exit code 3 if something could not be measured or trusted.

    Example: archbench bench alexnet vgg16 --batch 1,32 --dtype fp32,amp
    """
    from archbench.errors import UsageError
    from archbench.measure.machine import KINDS, default_kind, device_name, usable_cores
    from archbench.measure.sweep import Sweep
    from archbench.precision import PRECISIONS
    from archbench.report.bench_layouts import bench_table
    from cli.output import destination

    target = destination(format, output, csv)
    kind = _one_of("--device", device, KINDS) if device else default_kind()
    sweep = Sweep(
        models=list(dict.fromkeys(models)),
        inputs=input or [],
        kind=kind,
        device=device_name(kind),
        modes=_list_of("--mode", mode, ("eval", "train")),
        batches=parse_range(batch, "batch size"),
        dtypes=_list_of("--dtype", dtype, tuple(PRECISIONS)),
        layouts=_list_of("--layout", layout, ("nchw", "nhwc")),
        compiled=compile,
        threads=threads or usable_cores(),
        processes=processes or (5 if kind == "cpu" else 1),
        seconds=max_seconds,
    )
    if versus is not None and (store or rerun or processes):
        raise UsageError("--versus keeps nothing and has its own processes; leave --store, --rerun and --processes out")
    if "tf32" in sweep.dtypes and kind != "cuda":
        raise UsageError(f"--dtype tf32 is of NVIDIA GPUs; a {kind} has none")
    if versus is not None:
        target.deliver(_versus(sweep, versus))
        return
    found = _measured(sweep, store, rerun)
    target.deliver(bench_table(found, title=f"{sweep.device}, {kind}"))
    if any(result.status != "ok" for result in found):
        raise typer.Exit(3)


def _versus(sweep: Sweep, other: str) -> Table:
    """Return how the one model compares with the other, everything else alike."""
    from archbench.errors import UsageError
    from archbench.measure.duel import duel
    from archbench.report.bench_layouts import duel_table
    from cli.output import note

    ones, others = ([*each.configurations()] for each in (sweep, replace(sweep, models=[other])))
    if len(ones) != 1:
        raise UsageError(f"--versus {other} compares one configuration; name one model, batch, dtype, layout and mode")
    (request, configuration), (against, _) = ones[0], others[0]
    found = duel(request, against, note)
    return duel_table(found, configuration=configuration, other=other)


def _measured(sweep: Sweep, store: StorePath, rerun: bool) -> list[Result]:
    """Return a result for each configuration: kept ones, and those measured now, which are kept as they come."""
    from archbench.measure.environment import environment, load_warning
    from archbench.measure.machine import machine
    from archbench.measure.session import measure_configuration
    from archbench.measure.sweep import described, family, is_current
    from archbench.store.database import Store, default_path
    from cli.output import note
    from cli.progress import Progress

    here = machine()
    todo = list(sweep.configurations())
    warning = load_warning(environment("cpu"))
    if warning is not None:
        note(warning)
    with Store(store or default_path()) as kept, Progress(len(todo)) as progress:
        kept_before = {} if rerun else {c: r for _, c in todo if (r := kept.latest(c, here)) and is_current(r)}
        if kept_before:
            note(f"{len(kept_before)} of {len(todo)} were measured before; --rerun measures them anew")
        found: list[Result] = []
        for request, configuration in todo:
            result = kept_before.get(configuration)
            if result is None:
                progress.begin(described(configuration))
                siblings = [one for one in found if family(one.configuration.model) == family(configuration.model)]
                result = measure_configuration(request, configuration, here, progress.say, siblings)
                kept.add(result)
            progress.end(result.status)
            found.append(result)
        return found


def _list_of(option: str, text: str, choices: Sequence[str]) -> list[str]:
    """Return what a list of words names, each once."""
    return [_one_of(option, word, choices) for word in dict.fromkeys(text.split(","))]


def _one_of(option: str, word: str, choices: Sequence[str]) -> str:
    from archbench.errors import UsageError, nearest

    if word not in choices:
        hint = nearest(word, choices) or f"; there are {', '.join(choices)}"
        raise UsageError(f"{option} {word} is none of its choices{hint}")
    return word
