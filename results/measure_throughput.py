"""Throughput of the zoo on this machine: `NAME_throughput.csv` and `NAME_environment.json`, NAME being a GPU's or cpu.

    python results/measure_throughput.py [--device cpu|cuda] [--minutes 9] [--models lenet,vgg16] [--list]

On a GPU a grid of at most 100 configurations, chosen to tell most: one model of each family at batch 1 and 256 in three
dtypes; layouts, compiled, graphs and training on AlexNet, VGG-16 and VGG-16 with batch normalisation; the rest once.
On a CPU every model at batch 1 and 32 in fp32. A configuration takes about 12 s on a GPU, compilation apart; on a CPU
10 s of measuring, shared by five processes, or what five steps of a slow one take. Each result is kept where
`archbench bench` keeps its own, nothing is begun after `--minutes`, and the same command goes on with what is missing.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from archbench.address import model_names
from archbench.errors import DeviceError
from archbench.files import write_whole
from archbench.measure.campaign import Campaign, Planned
from archbench.measure.machine import default_kind, device_name, machine, usable_cores
from archbench.measure.sweep import Sweep
from archbench.report.bench_layouts import bench_table
from archbench.report.csv import to_csv
from archbench.store.database import Store, default_path
from archbench.store.records import Result, described
from cli.progress import Progress

FOLDER = Path(__file__).parent
MOST = 100
FAMILIES = ("lenet5", "alexnet", "zfnet", "vgg16")
STUDIED = ("alexnet", "vgg16", "vgg16_bn")
# Of a GPU's configuration: warm-up and measuring each take so long at most, and processes a few seconds to start.
GPU_S = 4.0
CPU_S = 10.0


def main() -> None:
    """Measure what is missing, and write what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default=default_kind())
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--models", help="only these")
    parser.add_argument("--processes", type=int, help="of a configuration; default: 5 on a CPU, else 1")
    parser.add_argument("--list", action="store_true", help="print the configurations and measure nothing")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    try:
        todo = grid(arguments.device, arguments.processes)
    except DeviceError as error:
        sys.exit(str(error))
    if arguments.models:
        todo = [planned for planned in todo if planned[0].model in arguments.models.split(",")]
    if arguments.list:
        print("\n".join(described(configuration) for _, configuration in todo))
        return
    found = measured(todo, arguments.minutes)
    write(found, arguments.folder, "cpu" if arguments.device == "cpu" else device_name("cuda"))
    left = len(todo) - len(found)
    print(f"{left} of {len(todo)} are missing; the same command goes on" if left else f"all {len(todo)} are measured")


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
    """Yield every model at batch 1 and 32."""
    yield names, settings([1, 32], ["fp32"])


def gpu_choices(names: Sequence[str]) -> Iterator[Choice]:
    """Yield models with what is asked of them."""
    both = ("nchw", "nhwc")
    yield FAMILIES, settings([1, 256], ["fp32", "tf32", "bf16"])
    yield STUDIED, settings([1, 256], ["bf16"], both)
    yield STUDIED, settings([256], ["bf16"], both, compiled=True)
    yield STUDIED, settings([1], ["bf16"], ["nhwc"], compiled=True)
    yield STUDIED, settings([1, 256], ["bf16"], ["nhwc"], graphs=True)
    yield STUDIED, settings([1], ["fp32"], graphs=True)
    yield STUDIED, settings([256], ["fp32", "tf32", "amp"], mode="train")
    yield STUDIED, settings([256], ["amp"], ["nhwc"], mode="train")
    yield STUDIED, settings([256], ["amp"], ["nhwc"], mode="train", compiled=True)
    yield [name for name in names if name not in (*FAMILIES, *STUDIED)], settings([256], ["bf16"])


def measured(todo: Sequence[Planned], minutes: float) -> list[Result]:
    """Return the results that are there when the time is up."""
    until_s = time.monotonic() + 60 * minutes
    found = []
    with Store(default_path()) as store, Progress(len(todo)) as progress:
        for result in Campaign(todo, store, machine()).run(progress):
            found.append(result)
            if time.monotonic() > until_s:
                break
    return found


def write(found: Sequence[Result], folder: Path, device: str) -> None:
    """Write the table, and the environment of the newest result."""
    name = re.sub(r"\W+", "_", device.lower())
    write_whole(folder / f"{name}_throughput.csv", to_csv(bench_table(found)))
    newest = max(found, key=lambda result: result.started_at)
    document = {"device": newest.configuration.device, **newest.environment}
    write_whole(folder / f"{name}_environment.json", f"{json.dumps(document, indent=2)}\n")


if __name__ == "__main__":
    main()
