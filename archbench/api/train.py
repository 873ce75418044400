"""Train models alike, briefly, and compare their accuracy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any, Literal

from archbench.api.load_run import load_run
from archbench.api.measuring import as_list, require_address, require_cpu_threads
from archbench.errors import UsageError, choose
from archbench.host.machine import KINDS, default_kind, device_name, usable_cores
from archbench.models.patterns import expanded
from archbench.progress import Progress
from archbench.reporting.export.tensorboard import require_tensorboard, write_logs
from archbench.reporting.run_pictures import draw_pictures
from archbench.reporting.training_run import TrainingRun
from archbench.store.database import Store
from archbench.training import session
from archbench.training.config import TrainConfig
from archbench.training.distributed.process_group import is_first_process
from archbench.training.prepare import configure, require_as_begun

# The arguments that determine what is trained; `run.json` records them, and a resumed run must have the same.
_RECORDED = (
    *("models", "data", "size", "epochs", "steps", "minutes", "recipe", "lr", "seeds", "batch", "augment"),
    *("init", "vary", "dtype", "layout", "compile"),
)


def train(
    models: str | Sequence[str] = (),
    data: str = "digits",
    *,
    steps: int | None = None,
    epochs: float | None = None,
    minutes: float | None = None,
    seeds: int = 3,
    recipe: str = "equal",
    lr: float | Literal["auto"] | None = None,
    size: int | Literal["auto"] = "auto",
    batch: int | None = None,
    augment: str = "none",
    init: str | None = None,
    vary: str | Sequence[str] = (),
    device: str | None = None,
    dtype: str = "fp32",
    layout: Literal["nchw", "nhwc"] = "nchw",
    compile: bool = False,
    threads: int | None = None,
    processes: int = 1,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    checkpoint_every: float = 60.0,
    download: bool = False,
    tensorboard: bool = False,
    store: str | Path | None = None,
    progress: Progress | None = None,
    confirm: Callable[[], object] | None = None,
) -> TrainingRun:
    """Train every model with every seed alike, and return their accuracies and a comparison.

    The run is kept in a folder with checkpoints, `metrics.csv`, `accuracy.csv` and pictures, and in the store of
    results. After Ctrl-C, `resume` continues where it was.

    Args:
        models: Addresses, such as `"lenet"`, `"torchvision:resnet18"` or `"net.py:Net"`.
        data: `"digits"`, `"cifar10"`, `"cifar10:PATH"` or `"folder:PATH"`.
        steps: Optimizer steps; instead of `epochs` or `minutes`.
        epochs: Passes over the training images; the default is the recipe's.
        minutes: Time limit for all models and seeds together: the equal number of steps that fits.
        seeds: Trainings of each model, with seeds from 0.
        recipe: `"equal"`, `"paper"` or `"lecture"`.
        lr: The learning rate; `"auto"` chooses it for each model by short trainings, on validation images. The default
            is `"auto"` for two or more models with the equal recipe, else the recipe's.
        size: Height and width of the images in pixels; `"auto"` is each model's own input.
        batch: Images per step; the default is the recipe's.
        augment: Any of `crop`, `flip` and `color` joined by `+`, or `"none"`.
        init: `"kaiming"`, `"xavier"`, `"paper"` or `"torch"`, which keeps what the constructor draws; the default is
            the recipe's for the zoo's models, and `"torch"` for any other.
        vary: Builder arguments with values to try: `["activation=relu,sigmoid"]` trains each model with each.
        device: `"cpu"`, `"cuda"` or `"mps"`; the default is a GPU if there is one.
        dtype: `"fp32"`, `"tf32"`, `"amp"` or `"amp-fp16"`.
        layout: Memory layout of images and weights.
        compile: Whether to use torch.compile.
        threads: CPU threads; the default is all cores.
        processes: Processes that train each model together.
        out: Folder for the run; the default is a new one below `runs`.
        resume: Folder of an earlier run to continue; arguments given besides must equal those it was begun with.
        checkpoint_every: Seconds between checkpoints; 0 saves after every step.
        download: Whether to fetch CIFAR-10 if it is not there.
        tensorboard: Whether to write TensorBoard logs too.
        store: Database of results; the default is the user's.
        progress: Receives progress updates.
        confirm: Called when the expected time is logged and nothing is written yet; what it raises ends the run.

    Returns:
        One row per model: mean top-1 and top-5 accuracy over the seeds with a 95% interval, as fractions.

    Raises:
        TypeError: A module is given instead of an address.
        UsageError, AddressError, InputError, DataError, DeviceError, ForwardError: The models cannot be trained so.
        OutputError: A file cannot be written.

    Example:
        >>> run = archbench.train(["lenet", "alexnet_owt"], steps=100, size=64)
        >>> print(run)
    """
    if tensorboard:
        require_tensorboard()
    return _finish(train_only(locals()), store=store, tensorboard=tensorboard)


def train_only(arguments: Mapping[str, Any]) -> Path:
    """Train as `train` does with these arguments, and return the run's folder, without pictures or stored results."""
    out, resume = arguments["out"], arguments["resume"]
    execution: dict[str, Any] = {name: arguments[name] for name in ("processes", "progress")}
    execution["checkpoint_s"] = arguments["checkpoint_every"]
    if resume is None:
        config, asked = configuration(arguments)
        return session.start(
            config,
            asked,
            out=None if out is None else Path(out),
            download=arguments["download"],
            confirm=arguments["confirm"],
            **execution,
        )
    if out is not None:
        raise UsageError("{resume} continues in its own folder; leave out {out}", resume=resume, out=out)
    given = {name: value for name, value in _asked(arguments).items() if value != _default(name)}
    require_as_begun(Path(resume), given)
    session.resume(Path(resume), data=given.get("data"), **_machine(arguments), **execution)
    return Path(resume)


def configuration(arguments: Mapping[str, Any]) -> tuple[TrainConfig, dict[str, Any]]:
    """Return the configuration of a new run for the arguments of `train`, and those that are recorded."""
    asked = _asked(arguments)
    return configure(**asked, **_machine(arguments)), asked


def _machine(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the device and the number of threads. Raises DeviceError for a device that this machine does not have."""
    device = choose("device", arguments["device"], KINDS) if arguments["device"] else default_kind()
    device_name(device)
    require_cpu_threads(device, arguments["threads"])
    return {"device": device, "threads": arguments["threads"] or usable_cores()}


def _asked(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recorded arguments. Raises TypeError for a model that is not an address."""
    models = tuple(require_address(model, "train") for model in expanded(as_list(arguments["models"])))
    return {name: arguments[name] for name in _RECORDED} | {"models": models, "vary": tuple(as_list(arguments["vary"]))}


def _default(name: str) -> Any:
    return signature(train).parameters[name].default


def _finish(path: Path, *, store: str | Path | None, tensorboard: bool) -> TrainingRun:
    """Return the run of a folder, after its results are stored and its pictures and logs written."""
    result = load_run(path)
    if is_first_process():
        with Store(store) as database:
            database.add_trainings(result.run.to_store())
        if tensorboard:
            write_logs(path / "tensorboard", result.epochs)
        draw_pictures(result.run)
    return result
