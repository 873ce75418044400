"""Measure the throughput of the zoo on this machine's CPU; `results/gpu.py` does it on a GPU.

    python results/measure_throughput.py [--minutes 9] [--models lenet,vgg16] [--rerun] [--list]

Writes `cpu_throughput.csv` and `cpu_environment.json`. Every model is measured at batch 1 and 8 in fp32, for 10 s
shared by five processes, or as long as five steps of a slow model take. Results are stored where `archbench bench`
stores its own, and the table is written after each. Nothing is started after `--minutes`; the same command continues
with what is missing, and last with what failed. `--rerun` measures everything again, oldest first.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from archbench.files import write_whole
from archbench.host.machine import device_name, machine, usable_cores
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
BATCHES = (1, 8)  # five steps of VGG-16 at batch 32 would take half a minute
PROCESSES = 5
MAX_SECONDS = 10.0


def main() -> None:
    """Measure missing configurations and write the table after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--models", help="only these")
    parser.add_argument("--processes", type=int, default=PROCESSES, help="processes per configuration")
    parser.add_argument("--rerun", action="store_true", help="measure again what was measured before")
    parser.add_argument("--list", action="store_true", help="print the configurations and measure nothing")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    todo = grid()
    models = arguments.models.split(",") if arguments.models else model_names()
    chosen = [configuration for configuration in todo if configuration.model in models]
    if arguments.list:
        print("\n".join(map(described, chosen)))
        return
    options = RunOptions(max_seconds=MAX_SECONDS, processes=arguments.processes)
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


def grid() -> list[Configuration]:
    """Return the configurations to measure."""
    return configurations(model_names(), kind="cpu", device=device_name("cpu"), threads=usable_cores(), batches=BATCHES)


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
    write_whole(folder / "cpu_throughput.csv", to_csv(bench_table(ordered)))
    document = {"device": newest.configuration.device, **newest.environment}
    write_whole(folder / "cpu_environment.json", f"{json.dumps(document, indent=2)}\n")


def summary(todo: Sequence[Configuration], results: Mapping[Configuration, Result]) -> str:
    """Return in words how much is measured."""
    missing = sum(configuration not in results for configuration in todo)
    failed = sum(results[each].status in ("failed", "oom") for each in todo if each in results)
    text = f"{missing} of {len(todo)} are missing" if missing else f"all {len(todo)} were measured"
    text += f", {failed} failed" if failed else ""
    return f"{text}; the same command continues" if missing or failed else text


if __name__ == "__main__":
    main()
