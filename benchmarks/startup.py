"""Time whole commands against `import torch`, in alternating runs, and print medians and ratios.

    python benchmarks/startup.py [--rounds 15]

Ratios are comparable between machines. Peak memory is the maximum resident set size of the process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

REFERENCE = "import torch"
ARCHBENCH = str(Path(sys.executable).with_name("archbench"))
COMMANDS = {
    REFERENCE: [sys.executable, "-c", "import torch"],
    "archbench --help": [ARCHBENCH, "--help"],
    "archbench summary vgg16": [ARCHBENCH, "summary", "vgg16"],
    "archbench summary vgg19": [ARCHBENCH, "summary", "vgg19"],
    "archbench summary googlenet": [ARCHBENCH, "summary", "googlenet"],
    "archbench memory vgg19": [ARCHBENCH, "memory", "vgg19"],
    "archbench memory vgg19 --mode train": [ARCHBENCH, "memory", "vgg19", "--mode", "train"],
    "archbench compare alexnet zfnet vgg16": [ARCHBENCH, "compare", "alexnet", "zfnet", "vgg16"],
}


@dataclass(frozen=True)
class Run:
    """The time and peak memory of one process."""

    time_s: float
    peak_bytes: int


def run(command: list[str]) -> Run:
    """Run a command to its end and discard its output."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    time_s = time.perf_counter() - start
    assert process.returncode == 0, f"{command} failed"
    return Run(time_s, usage.ru_maxrss * 1024)


def main() -> None:
    """Print one line per command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    for command in COMMANDS.values():
        run(command)  # fills the file cache and writes bytecode
    runs: dict[str, list[Run]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            runs[name].append(run(command))
    medians = {name: statistics.median(each.time_s for each in repeats) for name, repeats in runs.items()}
    peaks = {name: statistics.median(each.peak_bytes for each in repeats) for name, repeats in runs.items()}
    print(f"{'':40s} {'median s':>9s} {'ratio':>7s} {'peak MB':>9s} {'above':>7s}")
    for name in COMMANDS:
        ratio = medians[name] / medians[REFERENCE]
        above = (peaks[name] - peaks[REFERENCE]) / 1e6
        print(f"{name:40s} {medians[name]:9.3f} {ratio:7.3f} {peaks[name] / 1e6:9.1f} {above:7.1f}")


if __name__ == "__main__":
    main()
