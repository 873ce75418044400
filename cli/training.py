"""What `archbench train` does: prepare, ask, train, here or in several processes, and gather what came of it."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cli.output import is_quiet, note

if TYPE_CHECKING:
    from archbench.training.distributed.process_group import World
    from archbench.training.prepare import Asked, Prepared

_RESTARTS = 3
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Manner:
    """How a run is done, which does not change what comes of it."""

    kind: str
    threads: int
    processes: int
    checkpoint_s: float
    download: bool
    is_sure: bool


def start(asked: Asked, out: Path | None, manner: Manner) -> Path:
    """Train what is asked for and return the run's folder."""
    from archbench.training.distributed.process_group import joined, restarts

    _set_up(manner, asked.dtype)
    with joined(manner.kind) as world:
        prepared: Prepared | None = None
        is_begun = out is not None and restarts() > 0 and (out / "run.json").exists()
        if world.is_first and not is_begun:
            prepared, out = _begin(asked, out, manner)
        place: Path = world.broadcast(out)
        _train(place, prepared or _reopened(place, {}, manner), manner, world)
        return place


def go_on(place: Path, given: Mapping[str, Any], manner: Manner) -> Path:
    """Go on with the run of a folder, and return it."""
    from archbench.training.distributed.process_group import joined
    from archbench.training.prepare import read_run

    _set_up(manner, read_run(place)["plan"]["dtype"])
    with joined(manner.kind) as world:
        prepared = _reopened(place, given, manner)
        _require_shares(prepared, manner)
        _train(place, prepared, manner, world)
    return place


def _require_shares(prepared: Prepared, manner: Manner) -> None:
    from archbench.training.data.batches import require_shares

    for model in prepared.plan.models:
        require_shares(prepared.plan.batch_of(model), manner.processes)


def _begin(asked: Asked, out: Path | None, manner: Manner) -> tuple[Prepared, Path]:
    """Find out what is to be done and how long it takes, ask, and write down what was agreed."""
    from archbench.errors import UsageError
    from archbench.files import write_whole
    from archbench.host.environment import environment
    from archbench.reporting.tables.train import expectation
    from archbench.training.prepare import prepare
    from archbench.training.run import describe
    from archbench.training.run_dir.paths import RunFolder, make_folder

    if out is not None and RunFolder(out).run.exists():
        raise UsageError(f"--out {out} holds a run already; --resume {out} goes on with it")
    prepared, seconds = prepare(asked, kind=manner.kind, threads=manner.threads, download=manner.download)
    _require_shares(prepared, manner)
    note(expectation(seconds, len(prepared.plan.seeds)))
    if not manner.is_sure and sys.stdin.isatty() and sys.stderr.isatty():
        typer.confirm("Go on?", default=True, abort=True, err=True)
    folder = RunFolder(out or _free_name(prepared))
    make_folder(folder.path)
    write_whole(folder.environment, json.dumps(environment(manner.kind), indent=1))
    record = describe(prepared.plan, prepared.data, prepared.sizes, asdict(asked))
    write_whole(folder.run, json.dumps(record, indent=1))
    note(f"keeping the run in {folder.path}")
    return prepared, folder.path


def _reopened(place: Path, given: Mapping[str, Any], manner: Manner) -> Prepared:
    from archbench.training.prepare import reopen
    from archbench.training.run_dir.paths import RunFolder

    return reopen(RunFolder(place), given, kind=manner.kind, threads=manner.threads)


def _train(place: Path, prepared: Prepared, manner: Manner, world: World) -> None:
    from archbench.training.run import Run
    from archbench.training.run_dir.lock import locked
    from archbench.training.run_dir.paths import RunFolder
    from archbench.training.signals import Interruption
    from cli.progress.train import Live

    if manner.processes > 1:
        _launch(place, manner)
        return
    trainings = len(prepared.plan.models) * len(prepared.plan.seeds)
    alone = locked(RunFolder(place).run) if world.is_first else nullcontext()
    with alone, Interruption() as interruption, Live(trainings, is_shown=world.is_first) as live:
        run = Run(
            prepared.plan,
            prepared.data,
            prepared.sizes,
            RunFolder(place),
            world=world,
            watch=live,
            is_asked_to_stop=lambda: interruption.is_asked_for,
            checkpoint_s=manner.checkpoint_s,
        )
        run.go()
        if interruption.is_asked_for:
            live.note(f"what is done is kept; 'archbench train --resume {place}' goes on")


def _launch(place: Path, manner: Manner) -> None:
    """Have torchrun train in several processes, which it starts anew from the last checkpoint if one of them ends.

    Raises MeasurementError if it gives up.
    """
    from archbench.errors import MeasurementError

    command = [
        sys.executable,
        "-m",
        "archbench.training.distributed.launch",
        "--standalone",
        "--max-restarts",
        str(_RESTARTS),
    ]
    command += ["--nproc-per-node", str(manner.processes), "-m", "archbench", "train", "--resume", str(place)]
    command += ["--device", manner.kind, "--threads", str(max(1, manner.threads // manner.processes)), "--only-train"]
    command += ["--checkpoint-every", str(manner.checkpoint_s)]
    command += ["--quiet"] if is_quiet() else []
    # With a shared store, torchrun cannot bring a killed worker back.
    variables = {**os.environ, "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1", "OMP_NUM_THREADS": "1"}
    # In a session of its own: a Ctrl-C must reach the workers once, through torchrun, not twice.
    process = subprocess.Popen(command, env=variables, start_new_session=True)
    try:
        code = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        note(f"what is done is kept; 'archbench train --resume {place}' goes on")
        raise
    if code != 0:
        raise MeasurementError(f"the processes that train in '{place}' ended with code {code}")


def _set_up(manner: Manner, dtype: str) -> None:
    """Set what is global in torch."""
    import torch

    torch.set_num_threads(manner.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = dtype == "tf32"


def _free_name(prepared: Prepared) -> Path:
    """Return a folder below `runs` that is not there yet, named for models and data."""
    from archbench.files import plain_name

    models = "-".join(plain_name(model) for model in prepared.plan.models)
    name = f"{models}-{plain_name(prepared.data.name)}"[:_LONGEST_NAME]
    numbered = (Path("runs") / (name if number == 1 else f"{name}-{number}") for number in itertools.count(1))
    return next(path for path in numbered if not path.exists())
