"""Measure the throughput of the zoo on this machine.

    python results/measure_throughput.py [--device cpu|cuda] [--minutes 9] [--models lenet,vgg16] [--rerun] [--list]

Writes `NAME_throughput.csv` and `NAME_environment.json`, where NAME is the GPU's name or cpu. On a GPU the grid has at
most 100 configurations: one model of each family at batch 1 and 256 in three dtypes; layouts, compiled, graphs and
training for AlexNet, VGG-16 and VGG-16 with batch normalisation; every other model once. On a CPU it has every model at
batch 1 and 8 in fp32. On a GPU the warm-up and the measurement of a configuration take at most 12 s; on a CPU a
measurement takes 10 s, shared by five processes, or as long as five steps of a slow model. Results are stored where
`archbench bench` stores its own, and the table is written after each. Nothing is started after `--minutes`; the same
command continues with what is missing, and last with what failed. `--rerun` measures everything again, oldest first.
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
from archbench.host.machine import Kind, default_kind, device_name, machine, usable_cores
from archbench.measure.bench.runner import Runner
from archbench.measure.bench.sweep import configurations, is_current
from archbench.measure.worker.request import RunOptions
from archbench.models.address import model_names
from archbench.reporting.export.csv import to_csv
from archbench.reporting.tables.bench import bench_table
from archbench.store.database import Store
from archbench.store.records import Configuration, Result, described
from cli.progress.bench import BenchProgress

FOLDER = Path(__file__).parent
MAX_CONFIGURATIONS = 100
FAMILIES = ("lenet5", "alexnet", "zfnet", "vgg16")
STUDIED = ("alexnet", "vgg16", "vgg16_bn")
# The limit of warm-up and of measuring, each: enough for 30 blocks of the longest steps, about 0.2 s.
GPU_S = 6.0
CPU_S = 10.0


def main() -> None:
    """Measure missing configurations and write the table after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default=default_kind())
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--models", help="only these")
    parser.add_argument("--processes", type=int, help="processes per configuration; default: 5 on a CPU, else 1")
    parser.add_argument("--rerun", action="store_true", help="measure again what was measured before")
    parser.add_argument("--list", action="store_true", help="print the configurations and measure nothing")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    try:
        todo = grid(arguments.device)
    except DeviceError as error:
        sys.exit(str(error))
    models = arguments.models.split(",") if arguments.models else model_names()
    chosen = [configuration for configuration in todo if configuration.model in models]
    if arguments.list:
        print("\n".join(map(described, chosen)))
        return
    options = run_options(arguments.device, arguments.processes)
    end_s = time.monotonic() + 60 * arguments.minutes
    with Store() as store:
        results = stored(todo, store)
        write(todo, results, arguments.folder)
        ordered = in_order(chosen, results, rerun=arguments.rerun)
        for result in measured(ordered, options, store, results, rerun=arguments.rerun):
            results[result.configuration] = result
            write(todo, results, arguments.folder)
            if time.monotonic() > end_s:
                break
    print(summary(chosen, results))


def run_options(kind: Kind, processes: int | None) -> RunOptions:
    """Return how each configuration is measured."""
    is_cpu = kind == "cpu"
    return RunOptions(max_seconds=CPU_S if is_cpu else GPU_S, processes=processes or (5 if is_cpu else 1))


def grid(kind: Kind) -> list[Configuration]:
    """Return the configurations to measure, without duplicates."""
    device = device_name(kind)
    choose = gpu_choices if kind == "cuda" else cpu_choices
    todo: dict[Configuration, None] = {}
    for models, chosen in choose(model_names()):
        todo |= dict.fromkeys(configurations(models, kind=kind, device=device, threads=usable_cores(), **chosen))
    assert len(todo) <= MAX_CONFIGURATIONS, "the grid should stay small"
    return list(todo)


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
    """Return arguments of `configurations`."""
    return {
        **{"modes": [mode], "batches": batches, "dtypes": dtypes, "layouts": layouts},
        **{"compiled": compiled, "graphs": graphs},
    }


def cpu_choices(names: Sequence[str]) -> Iterator[Choice]:
    """Yield every model at batch 1 and 8; five steps of VGG-16 at batch 32 would take half a minute."""
    yield names, settings([1, 8], ["fp32"])


def gpu_choices(names: Sequence[str]) -> Iterator[Choice]:
    """Yield groups of models with their settings."""
    both = ("nchw", "nhwc")
    yield FAMILIES, settings([1, 256], ["fp32", "tf32", "bf16"])
    yield STUDIED, settings([1, 256], ["bf16"], both)
    yield STUDIED, settings([256], ["bf16"], both, compiled=True)
    yield STUDIED, settings([1], ["bf16"], ["nhwc"], compiled=True)
    yield STUDIED, settings([1, 256], ["bf16"], ["nhwc"], graphs=True)
    yield STUDIED, settings([1], ["fp32"], graphs=True)
    # A training step of VGG-16 in fp32 with 256 images takes half a second, too long for 30 blocks.
    yield STUDIED, settings([64], ["fp32"], mode="train")
    yield STUDIED, settings([256], ["tf32", "amp"], mode="train")
    yield STUDIED, settings([256], ["amp"], ["nhwc"], mode="train")
    yield STUDIED, settings([256], ["amp"], ["nhwc"], mode="train", compiled=True)
    yield [name for name in names if name not in (*FAMILIES, *STUDIED)], settings([256], ["bf16"])


Results = dict[Configuration, Result]


def stored(todo: Sequence[Configuration], store: Store) -> Results:
    """Return the newest result of each configuration, if it is up to date."""
    latest = {configuration: store.latest(configuration, machine()) for configuration in todo}
    return {configuration: result for configuration, result in latest.items() if result and is_current(result)}


def in_order(
    todo: Sequence[Configuration], results: Mapping[Configuration, Result], *, rerun: bool
) -> list[Configuration]:
    """Return first what has a result, then what is missing, last what failed: it may take minutes to fail again.

    With `rerun`, what is missing comes first, then the oldest.
    """

    def place(configuration: Configuration) -> tuple[int, str]:
        result = results.get(configuration)
        if result is None:
            return 1, ""
        if rerun:
            return 2, result.started_at
        return 3 if result.status in ("failed", "oom") else 0, ""

    return sorted(todo, key=place)


def measured(
    todo: Sequence[Configuration], options: RunOptions, store: Store, results: Results, *, rerun: bool
) -> Iterator[Result]:
    """Measure what is missing or failed, and yield each result that is not in `results`."""
    with BenchProgress() as progress:
        for result in Runner(todo, options, store, machine(), rerun=rerun).run(progress):
            before = results.get(result.configuration)
            if before is None or before.run_id != result.run_id:
                yield result


def write(todo: Sequence[Configuration], results: Mapping[Configuration, Result], folder: Path) -> None:
    """Write the table of the results, if there are any, and the environment of the newest that has one."""
    ordered = [results[configuration] for configuration in todo if configuration in results]
    if not ordered:
        return
    newest = max(ordered, key=lambda result: (bool(result.environment), result.started_at))
    kind, device = newest.configuration.kind, newest.configuration.device
    name = "cpu" if kind == "cpu" else re.sub(r"\W+", "_", device.lower())
    write_whole(folder / f"{name}_throughput.csv", to_csv(bench_table(ordered)))
    document = {"device": device, **newest.environment}
    write_whole(folder / f"{name}_environment.json", f"{json.dumps(document, indent=2)}\n")


def summary(todo: Sequence[Configuration], results: Mapping[Configuration, Result]) -> str:
    """Return in words how much is measured."""
    missing = sum(configuration not in results for configuration in todo)
    failed = sum(results[each].status in ("failed", "oom") for each in todo if each in results)
    text = f"{missing} of {len(todo)} are missing" if missing else f"all {len(todo)} were measured"
    text += f", {failed} failed" if failed else ""
    return f"{text}; the same command continues" if missing or failed else text


if __name__ == "__main__":
    main()
