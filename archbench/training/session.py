"""Start or resume a run in this process, or in several that torchrun starts."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from archbench.errors import UsageError
from archbench.files import plain_name, write_whole
from archbench.host.environment import environment
from archbench.progress import Progress
from archbench.training.config import TrainConfig
from archbench.training.data.batches import require_divisible
from archbench.training.distributed.launch import launch
from archbench.training.distributed.process_group import ProcessGroup, process_group, restarts
from archbench.training.messages import expected_time, initial_weights, rates_to_try
from archbench.training.prepare import Prepared, prepare, reopen
from archbench.training.run import Run
from archbench.training.run_dir.lock import locked
from archbench.training.run_dir.paths import RunFolder, make_folder
from archbench.training.run_dir.run_json import read_run, to_record
from archbench.training.seeding import preserved_random_states
from archbench.training.signals import Interruption
from archbench.training.time_estimate import ExpectedTime

_LONGEST_NAME = 80

_LOG = logging.getLogger("archbench")


def start(
    config: TrainConfig,
    asked: Mapping[str, Any],
    *,
    out: Path | None,
    download: bool,
    confirm: Callable[[], object] | None,
    processes: int,
    checkpoint_s: float,
    progress: Progress | None,
) -> Path:
    """Train what a configuration describes and return the run's folder, by default a new one below `runs`.

    `asked` holds the arguments that led to the configuration, for `run.json`. `confirm` is called when the expected
    time is known and nothing is written yet; what it raises ends the run.
    """
    with _torch_settings(config.threads, config.dtype), process_group(config.device) as group:
        prepared: Prepared | None = None
        is_restart = out is not None and restarts() > 0 and RunFolder(out).run.exists()
        if group.is_first and not is_restart:
            prepared, out = _begin(config, asked, out, download=download, processes=processes, confirm=confirm)
        path: Path = group.broadcast(out)
        if prepared is None:
            prepared = reopen(RunFolder(path), device=config.device, threads=config.threads)
        _train(path, prepared, group, processes=processes, checkpoint_s=checkpoint_s, progress=progress)
        return path


def plan(config: TrainConfig, *, minutes: float | None, download: bool) -> tuple[Prepared, dict[str, ExpectedTime]]:
    """Return the run that a configuration describes, and the expected time of each model, without training it."""
    with _torch_settings(config.threads, config.dtype):
        return prepare(config, minutes=minutes, download=download)


def resume(
    path: Path,
    *,
    data: str | None,
    device: str,
    threads: int,
    processes: int,
    checkpoint_s: float,
    progress: Progress | None,
) -> None:
    """Continue the run of a folder. `data` names where its images are now, if they have moved."""
    with _torch_settings(threads, read_run(path)["plan"]["dtype"]), process_group(device) as group:
        prepared = reopen(RunFolder(path), device=device, threads=threads, data=data)
        _require_divisible(prepared.config, processes)
        _train(path, prepared, group, processes=processes, checkpoint_s=checkpoint_s, progress=progress)


def _begin(
    config: TrainConfig,
    asked: Mapping[str, Any],
    out: Path | None,
    *,
    download: bool,
    processes: int,
    confirm: Callable[[], object] | None,
) -> tuple[Prepared, Path]:
    """Prepare a run, report the expected time, and create its folder."""
    if out is not None and RunFolder(out).run.exists():
        raise UsageError("{out} holds a run already; {resume} continues it", out=out, resume=out)
    prepared, times = prepare(config, minutes=asked["minutes"], download=download)
    _require_divisible(prepared.config, processes)
    _LOG.info(initial_weights({model: info.initialisation for model, info in prepared.models.items()}))
    _LOG.info(rates_to_try(prepared.config))
    _LOG.info(expected_time(times, len(config.seeds)))
    if confirm is not None:
        confirm()
    folder = RunFolder(out or _free_folder(prepared))
    make_folder(folder.path)
    write_whole(folder.environment, json.dumps(environment(config.device), indent=1))
    record = to_record(prepared.config, prepared.data, prepared.models, asked)
    write_whole(folder.run, json.dumps(record, indent=1))
    _LOG.info("keeping the run in %s", folder.path)
    return prepared, folder.path


def _train(
    path: Path,
    prepared: Prepared,
    group: ProcessGroup,
    *,
    processes: int,
    checkpoint_s: float,
    progress: Progress | None,
) -> None:
    config = prepared.config
    if processes > 1:
        is_quiet = progress is None
        launch(path, config, processes=processes, checkpoint_s=checkpoint_s, is_quiet=is_quiet)
        return
    progress = progress if progress is not None and group.is_first else Progress()
    lock = locked(RunFolder(path).run) if group.is_first else nullcontext()
    with lock, Interruption() as interruption:
        run = Run(
            prepared,
            RunFolder(path),
            group=group,
            progress=progress,
            should_stop=lambda: interruption.is_requested,
            checkpoint_s=checkpoint_s,
        )
        run.train()
        if interruption.is_requested and group.is_first:
            _LOG.info("what is done is kept; 'archbench train --resume %s' goes on", path)


def _require_divisible(config: TrainConfig, processes: int) -> None:
    for model in config.models:
        require_divisible(config.batch_of(model), processes)


@contextmanager
def _torch_settings(threads: int, dtype: str) -> Iterator[None]:
    """Set torch's threads, TF32 and cudnn.benchmark; on exit restore them, and the caller's random states."""
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = torch.get_num_threads(), cuda.allow_tf32, cudnn.allow_tf32, cudnn.benchmark
    torch.set_num_threads(threads)
    cuda.allow_tf32 = cudnn.allow_tf32 = dtype == "tf32"
    cudnn.benchmark = True  # as in `bench`: batches have one size
    try:
        with preserved_random_states():
            yield
    finally:
        torch.set_num_threads(before[0])
        cuda.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = before[1:]


def _free_folder(prepared: Prepared) -> Path:
    """Return a folder below `runs` that does not exist, named for models and data."""
    models = "-".join(plain_name(model) for model in prepared.config.models)
    name = f"{models}-{plain_name(prepared.data.name)}"[:_LONGEST_NAME]
    numbered = (Path("runs") / (name if number == 1 else f"{name}-{number}") for number in itertools.count(1))
    return next(path for path in numbered if not path.exists())
