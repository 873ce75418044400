"""Measure the repeatability of `archbench bench`: the spread of five invocations, and how often A differs from A.

    python benchmarks/repeatability.py [--model lenet] [--batch 32] [--threads 2] [--trials 100] [--output PATH]

An invocation is `archbench bench MODEL` in a store of its own, a trial `archbench bench MODEL --versus MODEL`: 21 pairs
of blocks in ABBA order, three in each of seven rounds, and as many of A against A for the floor. Starting 21 processes
takes longer than that, so `--trials-a-set` trials share them (the command uses 1) and assign them at random.
On a CPU a block is 0.11 s: a trial takes about 10 s, a hundred about twenty minutes with their processes. The output
has what is finished; the same command continues, and starts nothing after `--minutes`. A calibrated test finds a
difference in 5 of 100 trials; up to 10 are consistent with that.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from archbench.files import write_whole
from archbench.host.machine import Kind, default_kind, device_name, usable_cores
from archbench.measure.bench.ab_test import ROUNDS, ABSamples, Round, ServedArm, compare_rounds
from archbench.measure.bench.sweep import configurations
from archbench.measure.worker.request import RunOptions
from archbench.statistics.quantiles import CONFIDENCE
from archbench.store.records import Configuration

FIELDS = (
    *("kind", "number", "model", "batch", "threads", "device", "status", "images_per_s", "low", "high"),
    *("ratio", "floor", "p_value", "verdict"),
)
Row = dict[str, Any]
SAME = "no difference above the noise"


def main() -> None:
    """Measure what is missing and print a summary of the output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lenet")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--invocations", type=int, default=5)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--trials-a-set", type=int, default=10)
    parser.add_argument("--max-seconds", type=float, default=60.0, help="time limit of an invocation")
    parser.add_argument("--minutes", type=float, default=60.0, help="start nothing after this time")
    parser.add_argument("--output", type=Path, default=Path("results/repeatability.csv"))
    arguments = parser.parse_args()
    kind = default_kind()
    same: Row = {
        **{"model": arguments.model, "batch": str(arguments.batch), "threads": str(arguments.threads)},
        "device": device_name(kind),
    }
    rows = _read(arguments.output)
    until_s = time.monotonic() + 60 * arguments.minutes
    while (done := _done(rows, "invocation", same)) < arguments.invocations and time.monotonic() < until_s:
        rows.append({"kind": "invocation", "number": done + 1, **same, **invoke(arguments)})
        _write(arguments.output, rows)
    while (done := _done(rows, "trial", same)) < arguments.trials and time.monotonic() < until_s:
        numbers = range(done + 1, min(done + arguments.trials_a_set, arguments.trials) + 1)
        options = RunOptions(arguments.max_seconds)
        with closing(trials(configuration(arguments, kind), options, numbers)) as samples:
            for number, trial in zip(numbers, samples, strict=True):
                rows.append({"kind": "trial", "number": number, **same, **trial_row(trial)})
                _write(arguments.output, rows)
                if time.monotonic() > until_s:
                    break
    for line in summary([row for row in rows if same.items() <= row.items()]):
        print(line)


def invoke(arguments: argparse.Namespace) -> Row:
    """Return the rates of one invocation of the command."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--batch", str(arguments.batch), "--threads", str(arguments.threads)]
        options += ["--max-seconds", str(arguments.max_seconds), "--format", "json"]
        command = [sys.executable, "-m", "archbench", "bench", arguments.model, "--store", f"{folder}/a", *options]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 3):
        sys.exit(f"{' '.join(command)} ends with code {done.returncode}")
    (row,) = json.loads(done.stdout)
    rates = {"images_per_s": row["images_per_s"], "low": row["images_per_s_low"], "high": row["images_per_s_high"]}
    return {"status": row["status"], **rates}


def configuration(arguments: argparse.Namespace, kind: Kind) -> Configuration:
    """Return the configuration that each process of a trial serves."""
    (only,) = configurations(
        [arguments.model], kind=kind, device=device_name(kind), batches=[arguments.batch], threads=arguments.threads
    )
    return only


def trials(served: Configuration, options: RunOptions, numbers: Sequence[int]) -> Generator[ABSamples]:
    """Yield the trial of each number, all with one set of processes; the number seeds their assignment."""
    with ExitStack() as stack:
        arms = [stack.enter_context(ServedArm(served, options, seed)) for seed in range(3 * ROUNDS)]
        for number in numbers:
            order = random.Random(number).sample(arms, len(arms))
            yield compare_rounds([Round(*order[place : place + 3]) for place in range(0, len(order), 3)])


def trial_row(samples: ABSamples) -> Row:
    """Return the row of a trial."""
    comparison = samples.comparison
    return {
        **{"ratio": comparison.ratio, "low": comparison.low, "high": comparison.high, "floor": comparison.floor},
        **{"p_value": comparison.p_value, "verdict": comparison.verdict},
    }


def summary(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the spread of the invocations and the number of trials that found a difference."""
    rates = [float(row["images_per_s"]) for row in rows if row["kind"] == "invocation"]
    if rates:
        middle = statistics.median(rates)
        largest = max(abs(rate / middle - 1) for rate in rates)
        apart = max(rates) / min(rates) - 1
        yield f"{len(rates)} invocations: at most {largest:.2%} from their median, {apart:.2%} from one to another"
    verdicts = [row["verdict"] for row in rows if row["kind"] == "trial"]
    if verdicts:
        different = sum(verdict != SAME for verdict in verdicts)
        significant = sum(float(row["p_value"]) < 1 - CONFIDENCE for row in rows if row["kind"] == "trial")
        yield f"{len(verdicts)} trials of A against A: {different} called different; by the test alone {significant}"


def _done(rows: Sequence[Row], kind: str, same: Row) -> int:
    return sum({"kind": kind, **same}.items() <= row.items() for row in rows)


def _read(path: Path) -> list[Row]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return [dict(row) for row in csv.DictReader(stream)]


def _write(path: Path, rows: Sequence[Row]) -> None:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, stream.getvalue())


if __name__ == "__main__":
    main()
