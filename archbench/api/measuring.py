"""What `bench`, `ab_test` and `profile` share: from the arguments of a call to configurations of this machine."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from archbench.errors import InputError, UsageError, choose
from archbench.host.environment import environment, load_warning
from archbench.host.machine import KINDS, Kind, default_kind, device_name, usable_cores
from archbench.measure.bench.sweep import AUTO, configurations
from archbench.models.loaded import Inputs, input_texts
from archbench.precision import PRECISIONS
from archbench.store.records import Configuration
from archbench.trace.tracer import MODES

LAYOUTS = ("nchw", "nhwc")

_LOG = logging.getLogger("archbench")


def require_address(model: object, verb: str) -> str:
    """Return the address of a model. Raises TypeError for anything else."""
    if isinstance(model, str):
        return model
    raise TypeError(
        f"{verb} takes an address such as 'vgg16' or 'net.py:Net', not a {type(model).__name__}:"
        " it builds the model in a new process"
    )


def configurations_here(
    models: Sequence[str],
    *,
    inputs: Inputs,
    batch: Sequence[int],
    mode: str | Sequence[str],
    dtype: str | Sequence[str],
    device: str | None,
    layout: str | Sequence[str],
    compile: bool = False,
    graphs: bool = False,
    threads: int | None = None,
) -> list[Configuration]:
    """Return every combination of what is listed, on this machine's device.

    Raises UsageError for a value that is not a valid choice or that the device does not support, DeviceError if this
    machine has no such device, AddressError or InputError for a model that does not exist or has no input.
    """
    kind: Kind = default_kind() if device is None else choose("device", device, KINDS)
    dtypes = _choices("dtype", dtype, PRECISIONS)
    if kind != "cuda" and "tf32" in dtypes:
        raise UsageError("{dtype} requires an NVIDIA GPU", dtype="tf32")
    if kind != "cuda" and graphs:
        raise UsageError("{graphs} requires an NVIDIA GPU", graphs=True)
    if threads is not None and threads < 1:
        raise UsageError("{threads} is less than 1", threads=threads)
    require_cpu_threads(kind, threads)
    chosen: dict[str, Any] = {
        "modes": _choices("mode", mode, MODES),
        "dtypes": dtypes,
        "layouts": _choices("layout", layout, LAYOUTS),
    }
    return configurations(
        models,
        inputs=_shapes(inputs),
        kind=kind,
        device=device_name(kind),
        batches=batch,
        compiled=compile,
        graphs=graphs,
        threads=threads or usable_cores(),
        **chosen,
    )


def require_cpu_threads(kind: Kind, threads: int | None) -> None:
    """Raise UsageError for a number of threads on a GPU, whose kernels do not use them."""
    if threads is not None and kind != "cpu":
        raise UsageError(f"{{threads}} has no effect on {kind}; it requires {{device}}", threads=threads, device="cpu")


def require_positive(**limits: float | None) -> None:
    """Raise UsageError for a time limit or a number that is not above 0; None stands for a default."""
    for name, value in limits.items():
        if value is not None and not value > 0:
            raise UsageError(f"{{{name}}} is not above 0", **{name: value})


def batch_sizes(batch: Any, *, may_be_auto: bool = False) -> list[int]:
    """Return one or several batch sizes, `AUTO` for "auto". Raises UsageError for other than integers from 1."""
    sizes = as_list(batch)
    for size in sizes:
        if not ((isinstance(size, int) and size >= 1) or (may_be_auto and size == "auto")):
            raise UsageError(f"{{batch}} is not a whole number from 1{' or auto' if may_be_auto else ''}", batch=size)
    return [AUTO if size == "auto" else size for size in sizes]


def as_list(values: Any) -> list[Any]:
    """Return one value or several as a list without duplicates."""
    several = [values] if isinstance(values, str) or not isinstance(values, Sequence) else values
    return list(dict.fromkeys(several))


def warn_of_load() -> None:
    """Log a warning if other programs use this machine."""
    warning = load_warning(environment("cpu"))
    if warning is not None:
        _LOG.warning(warning)


def _choices(name: str, values: str | Sequence[str], choices: Iterable[str]) -> list[str]:
    return [choose(name, value, choices) for value in as_list(values)]


def _shapes(inputs: Inputs) -> Sequence[str]:
    """Return the inputs as text. Raises InputError for tensors."""
    shapes = input_texts(inputs)
    if inputs is not None and inputs != [] and not shapes:
        raise InputError("{inputs} must be shapes such as '3x224x224': a new process makes the tensors", inputs=...)
    return shapes
