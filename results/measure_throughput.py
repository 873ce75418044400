"""Throughput of the zoo on this machine: `NAME_throughput.csv` and `NAME_environment.json`, NAME being a GPU's or cpu.

    python results/measure_throughput.py [--device cpu|cuda] [--minutes 9] [--models lenet,vgg16] [--rerun] [--list]

On a GPU a grid of at most 100 configurations, chosen to tell most: one model of each family at batch 1 and 256 in three
dtypes; layouts, compiled, graphs and training on AlexNet, VGG-16 and VGG-16 with batch normalisation; the rest once.
On a CPU every model at batch 1 and 8 in fp32. On a GPU a configuration's warm-up and measuring take at most 12 s; on a
CPU measuring takes 10 s, shared by five processes, or what five steps of a slow one take. Each result is kept where
`archbench bench` keeps its own, and the table is written after each; nothing is begun after `--minutes`, and the same
command goes on with what is missing, last with what failed. `--rerun` measures all anew, the oldest first.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from archbench.errors import DeviceError
from archbench.files import write_whole
from archbench.host.machine import default_kind, device_name, machine, usable_cores
from archbench.measure.bench.runner import Campaign, Planned
from archbench.measure.bench.sweep import Sweep, is_current
from archbench.models.address import model_names
from archbench.reporting.export.csv import to_csv
from archbench.reporting.tables.bench import bench_table
from archbench.store.database import Store, default_path
from archbench.store.records import Configuration, Result, described
from cli.progress.bench import Progress

FOLDER = Path(__file__).parent
MOST = 100
FAMILIES = ("lenet5", "alexnet", "zfnet", "vgg16")
STUDIED = ("alexnet", "vgg16", "vgg16_bn")
# Warm-up takes so long at most, and measuring too: enough for 30 blocks of the longest steps, of about 0.2 s.
GPU_S = 6.0
CPU_S = 10.0


def main() -> None:
    """Measure what is missing, and write what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default=default_kind())
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--models", help="only these")
    parser.add_argument("--processes", type=int, help="of a configuration; default: 5 on a CPU, else 1")
    parser.add_argument("--rerun", action="store_true", help="measure anew what was measured before")
    parser.add_argument("--list", action="store_true", help="print the configurations and measure nothing")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    try:
        todo = grid(arguments.device, arguments.processes)
    except DeviceError as error:
        sys.exit(str(error))
    models = arguments.models.split(",") if arguments.models else model_names()
    chosen = [planned for planned in todo if planned[0].model in models]
    if arguments.list:
        print("\n".join(described(configuration) for _, configuration in chosen))
        return
    until_s = time.monotonic() + 60 * arguments.minutes
    with Store(default_path()) as store:
        found = kept(todo, store)
        write(todo, found, arguments.folder)
        for result in measured(in_order(chosen, found, rerun=arguments.rerun), store, found, rerun=arguments.rerun):
            found[result.configuration] = result
            write(todo, found, arguments.folder)
            if time.monotonic() > until_s:
                break
    print(summary(chosen, found))


def grid(kind: str, processes: int | None) -> list[Planned]:
    """Return what is to be measured, each configuration once."""
    device = device_name(kind)
    choose = gpu_choices if kind == "cuda" else cpu_choices
    todo: dict[object, Planned] = {}
    for models, settings in choose(model_names()):
        sweep = Sweep(
            models=models, inputs=[], kind=kind, device=device, threads=usable_cores(),
            processes=processes or (5 if kind == "cpu" else 1), seconds=CPU_S if kind == "cpu" else GPU_S, **settings,
        )  # fmt: skip
        for planned in sweep.configurations():
            todo.setdefault(planned[1], planned)
    assert len(todo) <= MOST, "the grid is to stay small"
    return list(todo.values())


Choice = tuple[Sequence[str], dict[str, Any]]


def settings(
    batches: Sequence[int],
    dtypes: Sequence[str],
    layouts: Sequence[str] = ("nchw",),
    mode: str = "eval",
    *,
    compiled: bool = False,
    graphs: bool = False,
) -> dict[str, Any]:
    """Return a sweep's lists."""
    return {
        **{"modes": [mode], "batches": batches, "dtypes": dtypes, "layouts": layouts},
        **{"compiled": compiled, "graphs": graphs},
    }


def cpu_choices(names: Sequence[str]) -> Iterator[Choice]:
    """Yield every model at batch 1 and 8: five steps of 32 images take half a minute for VGG-16."""
    yield names, settings([1, 8], ["fp32"])


def gpu_choices(names: Sequence[str]) -> Iterator[Choice]:
    """Yield models with what is asked of them."""
    both = ("nchw", "nhwc")
    yield FAMILIES, settings([1, 256], ["fp32", "tf32", "bf16"])
    yield STUDIED, settings([1, 256], ["bf16"], both)
    yield STUDIED, settings([256], ["bf16"], both, compiled=True)
    yield STUDIED, settings([1], ["bf16"], ["nhwc"], compiled=True)
    yield STUDIED, settings([1, 256], ["bf16"], ["nhwc"], graphs=True)
    yield STUDIED, settings([1], ["fp32"], graphs=True)
    # Of VGG-16 in fp32 a step of 256 images takes half a second: too long for 30 of them.
    yield STUDIED, settings([64], ["fp32"], mode="train")
    yield STUDIED, settings([256], ["tf32", "amp"], mode="train")
    yield STUDIED, settings([256], ["amp"], ["nhwc"], mode="train")
    yield STUDIED, settings([256], ["amp"], ["nhwc"], mode="train", compiled=True)
    yield [name for name in names if name not in (*FAMILIES, *STUDIED)], settings([256], ["bf16"])


Found = dict[Configuration, Result]


def kept(todo: Sequence[Planned], store: Store) -> Found:
    """Return the newest result of each configuration that has one that still holds."""
    latest = {what: store.latest(what, machine()) for _, what in todo}
    return {what: result for what, result in latest.items() if result is not None and is_current(result)}


def in_order(todo: Sequence[Planned], found: Mapping[Configuration, Result], *, rerun: bool) -> list[Planned]:
    """Return first what is there, then what is missing, last what failed, for that may take minutes to fail again.

    Where all is measured anew, what is missing comes first, then the oldest.
    """

    def place(planned: Planned) -> tuple[int, str]:
        result = found.get(planned[1])
        if result is None:
            return 1, ""
        if rerun:
            return 2, result.started_at
        return 3 if result.status in ("failed", "oom") else 0, ""

    return sorted(todo, key=place)


def measured(todo: Sequence[Planned], store: Store, found: Found, *, rerun: bool) -> Iterator[Result]:
    """Measure what is missing or failed, and yield each result that is not among those found already."""
    campaign = Campaign(todo, store, machine(), rerun=rerun)
    with Progress(len(todo), campaign.num_kept) as progress:
        for result in campaign.run(progress):
            before = found.get(result.configuration)
            if before is None or before.run_id != result.run_id:
                yield result


def write(todo: Sequence[Planned], found: Mapping[Configuration, Result], folder: Path) -> None:
    """Write the table of what is there, if anything is, and the environment of the newest result that has one."""
    results = [found[what] for _, what in todo if what in found]
    if not results:
        return
    newest = max(results, key=lambda result: (bool(result.environment), result.started_at))
    what = newest.configuration
    name = "cpu" if what.kind == "cpu" else re.sub(r"\W+", "_", what.device.lower())
    write_whole(folder / f"{name}_throughput.csv", to_csv(bench_table(results)))
    document = {"device": what.device, **newest.environment}
    write_whole(folder / f"{name}_environment.json", f"{json.dumps(document, indent=2)}\n")


def summary(todo: Sequence[Planned], found: Mapping[Configuration, Result]) -> str:
    """Say how much of it is there."""
    left = sum(what not in found for _, what in todo)
    failed = sum(what in found and found[what].status in ("failed", "oom") for _, what in todo)
    said = f"{left} of {len(todo)} are missing" if left else f"all {len(todo)} were measured"
    said += f", {failed} failed" if failed else ""
    return f"{said}; the same command goes on" if left or failed else said


if __name__ == "__main__":
    main()
