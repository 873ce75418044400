"""Measure on this machine's GPU what only one can show, in order of value, in the minutes there are.

    python results/gpu.py [--minutes 6] [--train DATA] [--folder results] [--dry-run] [--list]

First every path that needs a GPU runs once (`tests/cuda`), then the memory of 12 configurations is measured, then the
throughput of 30. `--train cifar10:cifar10-jpeg.tar.xz` trains three models on those images instead. Writes
`GPU_TABLE.csv` after each step, and `GPU_environment.json` and `GPU_summary.md`, where GPU is the name of the GPU.

The same command goes on with what is missing, then with what failed; rows of another version of torch are measured
again. A step that is not expected to end within the minutes is not started. A step that fails, crashes or hangs is a
row with its reason. `--dry-run` does the same on the CPU with small models, in a temporary folder by default.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Iterable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[0] = str(ROOT)  # the checkout's own code, whose commit is known, and `tests` and `results`

from archbench.errors import first_line
from archbench.files import write_whole
from archbench.host.exit_reason import reason
from archbench.host.machine import Kind
from archbench.host.parent import end_with
from results.gpu_steps import Figures, Step, steps, training_steps
from results.gpu_summary import summary
from results.gpu_tables import Tables

# A step that takes so many times its expected seconds hangs.
_PATIENCE = 4
_PRELOADED = ["torch", "numpy", "archbench.api.bench", "archbench.api.profile", "archbench.api.train"]


def main() -> None:
    """Run the missing steps that fit in the minutes."""
    arguments = _arguments()
    end_s = time.monotonic() + 60 * arguments.minutes
    kind: Kind = "cpu" if arguments.dry_run else "cuda"
    if arguments.dry_run:
        os.environ |= {"TORCH_COMPILE_DISABLE": "1", "OMP_NUM_THREADS": "1"}  # compiling on a CPU takes a minute
    environment = run_in_process(Step("checks", "environment", 60, record_environment, (kind,)), 120.0)
    if environment["status"] == "failed":
        sys.exit(f"this machine has no GPU that torch can use: {environment['reason']}")
    device = environment["gpu_name"] or environment["cpu_name"]
    tables = Tables(arguments.folder, re.sub(r"\W+", "_", device.lower()), environment["torch"])
    tables.write_environment({name: value for name, value in environment.items() if name not in ("status", "reason")})
    if arguments.train:
        runs = arguments.folder / "runs" if arguments.dry_run else ROOT / "runs" / "gpu"
        todo = list(training_steps(kind, device, arguments.train, arguments.epochs, runs))
    else:
        todo = steps(kind, device)
    if arguments.list:
        print("\n".join(f"{step.table}: {step.name}" for step in todo))
        return
    run_steps(todo, tables, end_s)
    text = summary(tables)
    write_whole(tables.path("summary.md"), text)
    print(f"\n{text}\n{progress(todo, tables)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--train", metavar="DATA", help="train three models on these images instead")
    parser.add_argument("--epochs", type=float, default=5.0, help="of each training")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--dry-run", action="store_true", help="on the CPU, with small models")
    parser.add_argument("--list", action="store_true", help="print the steps and run none")
    arguments = parser.parse_args()
    arguments.folder = arguments.folder or (Path(mkdtemp()) if arguments.dry_run else ROOT / "results")
    return arguments


def record_environment(kind: Kind) -> Figures:
    """Return the record of a process that uses the device."""
    from archbench.host.environment import environment

    if kind == "cuda":
        import torch

        torch.cuda.current_device()  # raises what is wrong, where the record would have None
    return environment(kind)


def run_steps(todo: Iterable[Step], tables: Tables, end_s: float) -> None:
    """Run what is missing, then what failed, as far as it is expected to end in time; write each row as it comes."""
    for step in sorted(todo, key=lambda step: tables.status(step) == "failed"):
        left_s = end_s - time.monotonic()
        if tables.status(step) not in ("", "failed") or step.expected_s > left_s:
            continue
        start = time.monotonic()
        figures = run_in_process(step, min(_PATIENCE * step.expected_s, left_s))
        tables.add(step, {"seconds": round(time.monotonic() - start, 1), **figures})
        print(f"{step.table}: {step.name}: {figures['status']} {figures['reason']}".rstrip(), flush=True)


def run_in_process(step: Step, limit_s: float) -> Figures:
    """Return a step's figures with its `status`, and a `reason` if it fails, crashes or takes longer than the limit.

    The process is a fork of one that has imported torch and has not used CUDA.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, step))
    process.start()
    sender.close()
    try:
        if not receiver.poll(limit_s):
            return {"status": "failed", "reason": f"it had not ended after {limit_s:.0f} s"}
        figures: Figures = receiver.recv()
    except EOFError:
        process.join()
        return {"status": "failed", "reason": reason(process.exitcode or 0, "")}
    finally:
        process.kill()
        process.join()
    return {"status": "ok", "reason": "", **figures}


def _answer(sender: Connection, step: Step) -> None:
    """Send the figures of a step, or why there are none; end with the process that started this one."""
    end_with(os.getppid(), signal.SIGKILL)
    try:
        figures: dict[str, Any] = step.run()
    except Exception as error:  # whatever a step raises is its outcome
        figures = {"status": "failed", "reason": f"{first_line(error)} ({_place(error)})"}
    sender.send(figures)


def _place(error: Exception) -> str:
    """Return where an error was raised, with the line: a failed assertion often says no more."""
    *_, frame = traceback.extract_tb(error.__traceback__)
    return f"{Path(frame.filename).name}:{frame.lineno}: {frame.line}"


def progress(todo: Iterable[Step], tables: Tables) -> str:
    """Return in words how much is measured."""
    statuses = [tables.status(step) for step in todo]
    text = f"{statuses.count('')} of {len(statuses)} are missing, {statuses.count('failed')} failed"
    return f"{text}; the same command goes on" if {"", "failed"} & set(statuses) else text


if __name__ == "__main__":
    main()
