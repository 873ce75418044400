"""Measure how often `archbench bench A --versus B --max-slowdown 2%` finds a slowdown, and how often it alarms falsely.

    python benchmarks/gate_power.py [--trials 40] [--output results/gate_power.csv]

A trial is one A/B test of a model against itself, measured as the command does; `--trials-a-set` trials share their 21
processes, assigned at random. The slowdown is injected into its samples: A's times are multiplied by 1.01, 1.02, 1.05
and 1.10, so that all slowdowns meet the same noise. Takes about 15 s per trial on a CPU.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from repeatability import configuration, trials

from archbench.files import write_whole
from archbench.host.machine import default_kind, device_name, usable_cores
from archbench.measure.bench.ab_test import PAIRS_PER_ROUND, ABSamples
from archbench.measure.worker.request import RunOptions
from archbench.statistics.pairs import Comparison, compare_pairs

SLOWDOWNS = (0.0, 0.01, 0.02, 0.05, 0.10)
LIMIT = 0.02


def with_slowdown(samples: ABSamples, slowdown: float) -> Comparison:
    """Return the comparison of a test as if A had taken longer by the slowdown, a fraction."""
    slower = [sample * (1 + slowdown) for sample in samples.a_s]
    return compare_pairs(_rounds(slower), _rounds(samples.b_s), samples.comparison.floor)


def _rounds(samples: Sequence[float]) -> list[Sequence[float]]:
    return [samples[place : place + PAIRS_PER_ROUND] for place in range(0, len(samples), PAIRS_PER_ROUND)]


def power_rows(tests: Sequence[ABSamples]) -> Iterator[dict[str, Any]]:
    """Yield for each slowdown the fraction of tests in which the gate fails, and in which A is called slower."""
    for slowdown in SLOWDOWNS:
        found = [with_slowdown(test, slowdown) for test in tests]
        is_slower = [each.verdict == "slower" for each in found]
        fails = [slower and each.least_slowdown > LIMIT for slower, each in zip(is_slower, found, strict=True)]
        yield {
            "slowdown": slowdown,
            "limit": LIMIT,
            "trials": len(found),
            "called_slower": sum(is_slower) / len(found),
            "gate_fails": sum(fails) / len(found),
            "median_floor": sorted(each.floor or 0.0 for each in found)[len(found) // 2],
        }


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lenet")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--trials-a-set", type=int, default=10)
    parser.add_argument("--output", type=Path, default=Path("results/gate_power.csv"))
    arguments = parser.parse_args()
    kind = default_kind()
    served, options = configuration(arguments, kind), RunOptions(60.0, 5)
    tests: list[ABSamples] = []
    while len(tests) < arguments.trials:
        numbers = range(len(tests), min(len(tests) + arguments.trials_a_set, arguments.trials))
        with closing(trials(served, options, numbers)) as found:
            for test in found:
                tests.append(test)
                print(f"trial {len(tests)} of {arguments.trials}: {test.comparison.verdict}", flush=True)
    same = {
        **{"model": arguments.model, "batch": arguments.batch, "threads": arguments.threads},
        **{"device": device_name(kind), "torch": torch.__version__, "date": f"{datetime.now(UTC):%Y-%m-%d}"},
    }
    rows = [{**row, **same} for row in power_rows(tests)]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(arguments.output, text.getvalue())
    print(text.getvalue())


if __name__ == "__main__":
    main()
