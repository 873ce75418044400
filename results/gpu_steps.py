"""The steps of `results/gpu.py` in order of value. Each runs in a process of its own and returns the figures of a row.

On a GPU they are the checks of `tests/cuda`, the memory of 12 configurations and the throughput of 30. A dry run on the
CPU has the same kinds of steps with small models.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any, Literal

from archbench.host.machine import Kind
from archbench.models.address import model_names
from archbench.store.records import Configuration, described
from archbench.units import format_dimensions

Figures = dict[str, Any]
Table = Literal["checks", "memory", "throughput", "training"]

_CHECKS = Path(__file__).parents[1] / "tests" / "cuda"
# In order of value; expected seconds on a GPU. Most start one worker process, which imports torch.
_MODULES = ("bench", "profile", "precisions", "training", "nvml", "memory", "ceilings")
_CHECK_S = {
    "bench": 8.0, "profile": 8.0, "precisions": 5.0, "training": 6.0, "nvml": 2.0, "memory": 5.0, "ceilings": 11.0,
}  # fmt: skip
_LONG_CHECK_S = {"compiled": 12.0, "largest": 20.0, "graph": 14.0}

# The limit of warm-up and of measuring, each: enough for 30 blocks of the longest steps, about 0.2 s.
_THROUGHPUT_S = {"cuda": 6.0, "cpu": 0.05}
# Importing torch twice, building and tracing the model, latency and replay.
_OVERHEAD_S = 8.0
_COMPILING_S = 20.0
_MEMORY_S = 6.0

# Models of CIFAR-10's classes for a short training, as `archbench train` and as `archbench bench` take them.
_TRAINED = {
    "cuda": {
        "lenet": "lenet",
        "alexnet_owt?size=64": "alexnet_owt?size=64&num_classes=10",
        "vgg11?size=32&head=small": "vgg11?size=32&head=small&num_classes=10",
    },
    "cpu": {"lenet": "lenet"},
}
_BATCH = {"cuda": 128, "cpu": 16}
_TRAINING_S = 40.0

# Their throughput would tell little: variants of a model that is measured, and networks for small images.
_LEFT_OUT = frozenset(
    {
        "alexnet_nopad", "googlenet_bn", "resnet20", "resnet32", "resnet34", "resnet50_v1_5", "resnet101",
        "resnet101_v1_5", "resnet152_v1_5", "vgg13", "vgg13_bn", "zfnet_wide",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """A row of a table: its name, its expected seconds and the function that returns its figures in a new process."""

    table: Table
    name: str
    expected_s: float
    call: Callable[..., Figures]
    arguments: tuple[Any, ...] = field(default=())

    def run(self) -> Figures:
        """Return the figures; raises what the step raises."""
        return self.call(*self.arguments)


def steps(kind: Kind, device: str) -> list[Step]:
    """Return the steps of `make gpu`."""
    return [*check_steps(kind), *memory_steps(kind), *throughput_steps(kind, device)]


def check_steps(kind: Kind) -> Iterator[Step]:
    """Yield the functions of `tests/cuda`; on a CPU those that can run there, which have a parameter `kind`."""
    for module in _MODULES:
        source = (_CHECKS / f"test_{module}.py").read_text("utf-8").splitlines()
        for line in source:
            if not line.startswith("def test_"):
                continue
            name = line.removeprefix("def ").partition("(")[0]
            if kind == "cuda" or "kind=" in line:
                seconds = next((seconds for word, seconds in _LONG_CHECK_S.items() if word in name), _CHECK_S[module])
                yield Step("checks", name.removeprefix("test_").replace("_", " "), seconds, check, (module, name, kind))


def check(module: str, name: str, kind: Kind) -> Figures:
    """Run a function of `tests/cuda`; its figures are what it prints, a JSON object a line."""
    function = getattr(import_module(f"tests.cuda.test_{module}"), name)
    with redirect_stdout(io.StringIO()) as printed:
        function() if kind == "cuda" else function(kind)
    figures: Figures = {}
    for line in printed.getvalue().splitlines():
        figures |= json.loads(line)
    return {"figures": json.dumps(figures)}


def memory_steps(kind: Kind) -> Iterator[Step]:
    """Yield configurations whose peak memory is predicted and measured."""
    cases: list[tuple[str, str, int]] = [("lenet", "fp32", 8)]
    layouts = ["nchw"]
    if kind == "cuda":
        cases = [("vgg16", "fp32", 32), ("torchvision:resnet50", "amp", 64), ("alexnet", "amp", 128)]
        layouts = ["nhwc", "nchw"]
    for (model, dtype, batch), layout, mode in product(cases, layouts, ("train", "eval")):
        name = f"{model}, {mode}, batch {batch}, {dtype}, {layout}"
        yield Step("memory", name, _MEMORY_S, memory, (model, mode, dtype, layout, batch, kind))


def memory(model: str, mode: Any, dtype: str, layout: Any, batch: int, kind: Kind) -> Figures:
    """Return the predicted and the measured peak."""
    from results.gpu_memory import predicted_bytes, run

    case = (model, mode, dtype, layout, batch, kind)
    return {"predicted_bytes": predicted_bytes(*case), "measured_bytes": run(*case)}


def throughput_steps(kind: Kind, device: str) -> Iterator[Step]:
    """Yield configurations whose throughput is predicted and measured."""
    for configuration in throughput_grid(kind, device):
        seconds = _OVERHEAD_S + _THROUGHPUT_S[kind] + _COMPILING_S * configuration.compiled
        yield Step("throughput", described(configuration), seconds, throughput, (configuration,))


def throughput_grid(kind: Kind, device: str) -> list[Configuration]:
    """Return 30 configurations for a GPU: VGG-16 and AlexNet in many ways, and most other models once."""
    if kind == "cpu":
        return [_configuration("lenet", kind, device, batch=2, mode=mode) for mode in ("eval", "train")]
    studied = ("vgg16", "alexnet")
    ways: list[dict[str, Any]] = [
        {"batch": 256, "dtype": "bf16", "layout": "nhwc", "compiled": True},
        {"batch": 256, "dtype": "bf16", "layout": "nhwc"},
        {"batch": 256, "dtype": "amp", "layout": "nhwc", "mode": "train"},
        {"batch": 1, "dtype": "bf16", "layout": "nhwc"},
        {"batch": 1, "dtype": "bf16", "layout": "nhwc", "graphs": True},
        {"batch": 32, "dtype": "tf32"},
        {"batch": 32, "dtype": "fp32"},
    ]
    others = [name for name in model_names() if name not in _LEFT_OUT.union(studied)]
    return [
        *(_configuration(model, kind, device, **way) for way in ways for model in studied),
        *(_configuration(model, kind, device, batch=256, dtype="bf16", layout="nhwc") for model in others),
    ]


def _configuration(model: str, kind: Kind, device: str, **options: Any) -> Configuration:
    from archbench.models.address import find

    defaults: dict[str, Any] = {
        "mode": "eval", "dtype": "fp32", "layout": "nchw", "compiled": False, "graphs": False,
        "threads": 1 if kind == "cpu" else 0,
    }  # fmt: skip
    shape = format_dimensions(find(model).input_shape or (3, 224, 224))
    return Configuration(model=model, input_shape=shape, kind=kind, device=device, **{**defaults, **options})


def _ignore(_phase: str) -> None:
    """Ignore the phase of a measurement."""


def throughput(configuration: Configuration) -> Figures:
    """Return the measured rate and the predicted one with its interval."""
    from archbench.host.machine import machine
    from archbench.measure.bench.session import measure_configuration
    from archbench.measure.worker.request import RunOptions

    options = RunOptions(max_seconds=_THROUGHPUT_S[configuration.kind])
    result = measure_configuration(configuration, options, machine(), _ignore)
    names = (
        *(
            "status",
            "reason",
            "images_per_s",
            "images_per_s_low",
            "images_per_s_high",
            "latency_s_median",
            "flop_per_s",
        ),
        *("peak_allocated_bytes", "energy_j_per_image", "replay_s", "compile_s"),
    )
    figures = {name: getattr(result, name) for name in names}
    return {**figures, "flags": "; ".join(result.flags), **_prediction(configuration)}


def _prediction(configuration: Configuration) -> Figures:
    """Return the predicted rate, or nothing for an unpublished device and for a replay, which is not predicted."""
    import archbench
    from archbench.errors import DeviceError
    from archbench.hardware.catalogue import published_device

    device = published_device(configuration.device) if configuration.kind == "cuda" else "cpu"
    if device is None or configuration.graphs:
        return {}
    c = configuration
    try:
        row = archbench.estimate(
            c.model, device, inputs=c.input_shape, batch=c.batch, mode=c.mode, dtype=c.dtype, layout=c.layout,
            compile=c.compiled,
        ).rows[0]  # fmt: skip
    except DeviceError:
        return {}
    low, high = row.images_per_s_low, row.images_per_s_high
    return {"predicted": row.images_per_s, "predicted_low": low, "predicted_high": high}


def training_steps(kind: Kind, device: str, data: str, epochs: float, runs: Path) -> Iterator[Step]:
    """Yield short trainings below a folder, each with the rate of the model's own step beside that of the training."""
    for trained, stepped in _TRAINED[kind].items():
        yield Step("training", trained, _TRAINING_S, training, (trained, stepped, kind, device, data, epochs, runs))


def training(model: str, stepped: str, kind: Kind, device: str, data: str, epochs: float, runs: Path) -> Figures:
    """Train a model, or continue its training, and measure its step.

    The run keeps its checkpoints below `runs`, so that an interrupted training continues.
    """
    import archbench
    from archbench.files import plain_name
    from archbench.models.address import find

    out = runs / plain_name(model)
    begun = (out / "run.json").exists()
    dtype, layout = ("amp", "nhwc") if kind == "cuda" else ("fp32", "nchw")
    fixed: dict[str, Any] = {
        "device": kind, "store": runs / "results.db", "threads": 1 if kind == "cpu" else None
    }  # fmt: skip
    runs.mkdir(parents=True, exist_ok=True)
    if begun:
        run = archbench.train(resume=out, **fixed)
    else:
        options: dict[str, Any] = {"batch": _BATCH[kind], "dtype": dtype, "layout": layout, "augment": "crop+flip"}
        run = archbench.train(model, data, epochs=epochs, seeds=1, out=out, **options, **fixed)
    (accuracy,) = run.accuracies
    step = throughput(
        _configuration(stepped, kind, device, mode="train", batch=_BATCH[kind], dtype=dtype, layout=layout)
    )
    shown = ("epochs", "top1_mean", "top1_low", "top1_high", "chance_top1", "images_per_s", "time_s", "peak_bytes")
    return {
        "status": "ok" if accuracy.status in ("ok", "chance") else "failed",
        "reason": "" if accuracy.status == "ok" else accuracy.status,
        **{name: getattr(accuracy, name) for name in shown},
        "input_shape": format_dimensions(find(stepped).input_shape or ()),
        "step_images_per_s": step["images_per_s"],
    }
