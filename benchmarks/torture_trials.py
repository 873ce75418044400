"""The trials of `benchmarks/torture.py`: each raises an error if archbench does not survive it."""

from __future__ import annotations

import gc
import json
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from hostile_models import HARMS
from torture_commands import TRAIN, Place, call, finish, fuzzed, require, start

psutil: Any = import_module("psutil")  # untyped

_MODELS = Path(__file__).with_name("hostile_models.py")


# Kills


def kill_bench(place: Place) -> None:
    """Kill a sweep; its results must be readable, no worker may stay, and the sweep must end when it is repeated."""
    sweep = ("bench", "lenet", "--batch", "1,2,4", "--max-seconds", "0.2", "--processes", "1", "--store", place.store())
    process = start(*sweep, folder=place.folder)
    time.sleep(place.numbers.uniform(0.2, 12))
    with suppress(psutil.NoSuchProcess):
        workers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        _gone, alive = psutil.wait_procs(workers, timeout=3)
        require(not alive, "a worker stays")
    process.communicate()
    kept = _stored(place.store())
    require(finish(start(*sweep, folder=place.folder))[0] in (0, 3), "the repeated sweep fails")
    require(len(_stored(place.store())) == 3 and kept <= _stored(place.store()), "a result is lost or measured twice")


def _stored(store: Path) -> set[str]:
    """Return the ids in a store, which must be sound."""
    if not store.exists():
        return set()
    code, out, err = call("results", "--store", store, "--format", "json")
    require(code == 0, err)
    with sqlite3.connect(store) as connection:
        require(connection.execute("PRAGMA integrity_check").fetchone() == ("ok",), "the store is not sound")
    connection.close()
    return {row["run_id"] for row in json.loads(out)}


def kill_train(place: Place) -> None:
    """Kill a training twice and resume it; it must end as the one that nothing interrupted."""
    run = place.folder / "run"
    for _ in range(2):
        begin = ("train", "--resume", run, "--quiet", "--threads", "1", "--checkpoint-every", "0")
        process = start(*(begin if (run / "run.json").exists() else (*TRAIN, "--out", run)), folder=place.folder)
        time.sleep(place.numbers.uniform(1, 12))
        process.kill()
        process.communicate()
    last = (*begin,) if (run / "run.json").exists() else (*TRAIN, "--out", run)
    code, _, err = finish(start(*last, folder=place.folder))
    require(code == 0, err)
    for name in ("final.pt", "predictions.csv"):
        ours, reference = ((folder / "models/lenet/seed-0" / name) for folder in (run, place.reference))
        require(ours.read_bytes() == reference.read_bytes(), f"{name} differs")


# Full disks

_WRITES: tuple[tuple[str, ...], ...] = (
    *(("summary", "lenet", "--output", f"table.{ending}") for ending in ("csv", "json", "md", "txt")),
    ("draw", "lenet", "--output", "drawing.svg"),
    ("draw", "lenet", "--output", "drawing.png"),
    ("plot", "layers", "lenet", "--output", "chart.svg"),
    ("plot", "layers", "lenet", "--output", "chart.png"),
    ("report", "lenet", "--output", "report.html"),
    ("bench", "lenet", "--max-seconds", "0.2", "--processes", "1", "--store", "new.sqlite"),
    (*TRAIN, "--out", "run"),
)


def disk_full(place: Place) -> None:
    """Write to a full disk: one line, no new file, and an earlier file as it was; an existing store can be read."""
    arguments = _WRITES[place.trial % len(_WRITES)]
    with _small_disk(place.folder) as disk:
        earlier = disk / Path(arguments[-1]).name
        if earlier.suffix and earlier.suffix != ".sqlite":
            earlier.write_text("earlier")
        shutil.copy(place.reference.parent / "store.sqlite", disk / "read.sqlite")
        with suppress(OSError), (disk / "filling").open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        before = {path.name: path.stat().st_size for path in disk.iterdir()}
        code, _, err = finish(start(*arguments[:-1], disk / arguments[-1], folder=place.folder))
        require((code, len(err.splitlines()[-1:])) == (2, 1), f"exit code {code}")
        written = {path.name: path.stat().st_size for path in disk.iterdir() if path.is_file() and path.stat().st_size}
        require(written.items() <= before.items(), f"something is written: {sorted(written)}")
        code, _, err = call("results", "--store", disk / "read.sqlite")
        require(code == 0, f"the store cannot be read: {err}")


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    """Mount a file system of 1 MiB in memory; only root may."""
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


# Damaged files


def fuzzed_parameters(place: Place) -> None:
    """Predict with a damaged `final.pt`."""
    run = _copy_of_reference(place)
    final = run / "models/lenet/seed-0/final.pt"
    final.write_bytes(fuzzed(final.read_bytes(), place.numbers))
    code, _, err = call("predict", run, place.reference.parent / "image.png")
    require(code == 2, f"exit code {code}: {err}")


def fuzzed_run(place: Place) -> None:
    """Read a run with one damaged file."""
    run = _copy_of_reference(place)
    names = (
        "run.json",
        "accuracy.csv",
        "metrics.csv",
        *(f"models/lenet/seed-0/{x}" for x in ("outcome.json", "predictions.csv")),
    )
    path = run / place.numbers.choice(names)
    path.write_bytes(fuzzed(path.read_bytes(), place.numbers))
    if place.trial % 2:
        call("predict", run, place.reference.parent / "image.png")
    else:
        call("plot", "training", run, "--output", place.folder / "chart.svg")


def _copy_of_reference(place: Place) -> Path:
    return Path(shutil.copytree(place.reference, place.folder / "run"))


def fuzzed_store(place: Place) -> None:
    """List the results and trainings of a damaged store."""
    place.store().write_bytes(fuzzed((place.reference.parent / "store.sqlite").read_bytes(), place.numbers))
    for command in (("results",), ("results", "trainings")):
        call(*command, "--store", place.store(), "--format", place.numbers.choice(("table", "csv", "json")))


def fuzzed_summary(place: Place) -> None:
    """Compare a model with a damaged summary of it."""
    saved = place.folder / "saved.json"
    saved.write_bytes(fuzzed((place.reference.parent / "summary.json").read_bytes(), place.numbers))
    call("diff", saved, "lenet")
    call("check", "lenet", "--against", saved)


# Hostile models


def hostile_summary(place: Place) -> None:
    """Count a model that harms its process."""
    models = [f"{_MODELS}:hostile?harm={harm}" for harm in HARMS]
    models += [f"{_MODELS}:deep?depth=100", f"{_MODELS}:wide?layers=3000"]
    model = models[place.trial % len(models)]
    code, _, err = finish(start("summary", model, "--format", "csv", folder=place.folder))
    ends_itself = any(harm in model for harm in ("os_exit", "abort", "segfault", "keyboard_interrupt"))
    require(code in (0, 2, 70) or ends_itself, f"{model.rpartition('=')[2]}: exit code {code}: {err[-200:]}")


def hostile_bench(place: Place) -> None:
    """Measure a model that harms its worker: the sweep must go on to the next, and no process may stay."""
    harm = list(HARMS)[place.trial % len(HARMS)]
    arguments = ("--max-seconds", "0.2", "--processes", "1", "--store", place.store(), "--format", "csv")
    process = start("bench", f"{_MODELS}:hostile?harm={harm}", "lenet", *arguments, folder=place.folder)
    code, out, err = finish(process)
    if harm in ("os_exit", "abort", "segfault", "keyboard_interrupt"):
        return  # counting in the command's own process ended that
    require(code in (0, 2, 3, 70), f"{harm}: exit code {code}: {err[-200:]}")
    require(code in (2, 70) or "lenet" in out, f"{harm}: the sweep does not go on")


# Thousands of calls


def leaks(_place: Place) -> None:
    """Count a model 2,000 times: neither memory, descriptors, threads nor objects may grow."""
    import torch
    from torch import nn

    import archbench

    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8 * 36, 4))
    inputs, wrong = torch.empty(2, 3, 8, 8), torch.empty(2, 5, 8, 8)
    process = psutil.Process()

    def count(calls: int) -> None:
        for number in range(calls):
            with suppress(archbench.ForwardError):
                archbench.summarize(model, wrong if number % 4 == 3 else inputs, mode="train" if number % 2 else "eval")
        gc.collect()

    def held() -> tuple[int, int, int, int]:
        return process.memory_info().rss >> 20, process.num_fds(), threading.active_count(), len(gc.get_objects())

    count(50)
    before = held()
    count(2000)
    growth = [after - now for after, now in zip(held(), before, strict=True)]
    require(growth[0] < 32 and growth[1:3] == [0, 0] and growth[3] < 1000, f"MiB, fds, threads, objects: {growth}")


TRIALS: dict[str, tuple[Callable[[Place], None], int]] = {
    "kill-bench": (kill_bench, 20),
    "kill-train": (kill_train, 10),
    "disk-full": (disk_full, len(_WRITES)),
    "fuzzed-parameters": (fuzzed_parameters, 60),
    "fuzzed-run": (fuzzed_run, 60),
    "fuzzed-store": (fuzzed_store, 60),
    "fuzzed-summary": (fuzzed_summary, 60),
    "hostile-summary": (hostile_summary, len(HARMS) + 2),
    "hostile-bench": (hostile_bench, len(HARMS)),
    "leaks": (leaks, 1),
}
