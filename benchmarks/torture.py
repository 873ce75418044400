"""Try to break archbench: kills, full disks, damaged files, hostile models, thousands of calls.

    python benchmarks/torture.py [--minutes 20] [--only fuzzed-store] [--seed 0]

Prints one row per kind of trial: how many trials there were, how many survived, and what the others did. A trial
survives if archbench ends as it promises: with the right result, or with one line and exit code 2 or 3; if nothing that
was finished is lost, no file is half written, no process stays behind, and no changed weights are used. The time limit
is shared by all kinds; one that runs out of it has fewer trials. The exit code is 1 if a trial did not survive.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from torture_commands import TRAIN, Place, call, finish, start
from torture_trials import TRIALS


@dataclass(slots=True)
class Row:
    """The outcome of one kind of trial."""

    name: str
    trials: int = 0
    time_s: float = 0.0
    failures: list[str] = field(default_factory=list)


def run_trials(name: str, reference: Path, seed: int, limit_s: float) -> Row:
    """Run the trials of one kind until there are enough of them, or the time is over."""
    trial, number = TRIALS[name]
    row, began = Row(name), time.monotonic()
    numbers = random.Random(f"{name} {seed}")
    while row.trials < number and (not row.trials or time.monotonic() - began < limit_s):
        with tempfile.TemporaryDirectory(prefix="torture-") as folder:
            place = Place(Path(folder), reference, numbers, row.trials)
            try:
                trial(place)
            except Exception as error:  # whatever archbench lets through is a failed trial
                row.failures.append(f"{row.trials}: {type(error).__name__}: {error}".splitlines()[0])
        row.trials += 1
    row.time_s = time.monotonic() - began
    return row


def prepare(folder: Path) -> Path:
    """Make what the trials damage: a finished training, a store, a summary and an image. Returns the training."""
    from PIL import Image

    run = folder / "run"
    code, _, err = finish(start(*TRAIN, "--out", run, "--store", folder / "store.sqlite", folder=folder))
    assert code == 0, err
    bench = ("bench", "lenet", "--batch", "1,2", "--max-seconds", "0.2", "--processes", "1")
    finish(start(*bench, "--store", folder / "store.sqlite", folder=folder))
    call("summary", "lenet", "--output", folder / "summary.json")
    Image.new("L", (32, 32), 128).save(folder / "image.png")
    return run


def main() -> None:
    """Print the table of trials and survivors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0, help="time limit, shared by the kinds of trial")
    parser.add_argument("--only", action="append", choices=list(TRIALS), help="repeatable; default: all")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    names = arguments.only or list(TRIALS)
    failures = 0
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        reference = prepare(Path(folder))
        print(f"{'trial':<18} {'n':>4} {'survived':>9} {'time':>7}")
        for name in names:
            row = run_trials(name, reference, arguments.seed, 60 * arguments.minutes / len(names))
            failures += len(row.failures)
            print(f"{name:<18} {row.trials:>4} {row.trials - len(row.failures):>9} {row.time_s:>5.0f} s", flush=True)
            for failure in row.failures:
                print(f"    {failure[:200]}", flush=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
