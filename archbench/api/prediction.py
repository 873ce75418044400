"""What predictions share: a model run in a mode, with an optimizer, on a device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Literal, get_args

from archbench.analyze.layers import layer_table
from archbench.analyze.memory.footprint import Footprint, footprint, largest_batch
from archbench.analyze.performance.kernels import Layout
from archbench.analyze.performance.roofline import Conditions
from archbench.errors import DeviceError, ForwardError, InputError, UsageError, choose
from archbench.hardware.device import Device
from archbench.hardware.find import find_device
from archbench.hardware.fit.coefficients import plain_coefficients
from archbench.models.loaded import Inputs, LoadedModel, Model, load_model
from archbench.reporting.tables.model_caveats import caveats
from archbench.trace.attention import Attention, DeviceKind
from archbench.trace.optimizer_step import FORMS, STATES, Algorithm, Optimizer
from archbench.trace.records import Trace
from archbench.trace.tracer import Mode
from archbench.units import format_bytes, parse_bytes


@dataclass(frozen=True, slots=True)
class SimulatedRun:
    """A model with everything that decides what a run needs, except the batch."""

    loaded: LoadedModel
    mode: Mode
    optimizer: Optimizer | None
    conditions: Conditions | None

    def trace(self, batch: int) -> Trace:
        """Return the trace of one batch."""
        return self.loaded.trace(batch, self.mode, self.optimizer)

    def footprint(self, trace: Trace) -> Footprint:
        """Return the memory of a traced batch."""
        return footprint(self.loaded.name, trace, self.loaded.precision.name, self.conditions)

    def largest_batch(self, limit_bytes: int) -> int:
        """Return the largest batch that needs at most `limit_bytes`, 0 if none does.

        Raises InputError for a model that needs real data: the search would allocate real memory.
        """
        smallest, trace = self._smallest_batch()
        if trace.real_data_reason:
            name, reason = self.loaded.name, trace.real_data_reason
            raise InputError(f"{name} needs real data, because {reason}; try one {{batch}} after the other", batch=...)
        return largest_batch(lambda batch: self.footprint(self.trace(batch)).needed_bytes, limit_bytes, smallest)

    def require_fit(self, needed: Footprint, limit_bytes: int, limit: str, **arguments: Any) -> None:
        """Raise DeviceError, with the excess and the batch that fits, if a batch needs more than the limit.

        `limit` names it in the error, which may refer to `arguments` in braces.
        """
        if needed.needed_bytes <= limit_bytes:
            return
        fits = 0 if needed.batch == 1 else self.largest_batch(limit_bytes)
        remedy = f"batch {fits} fits" if fits else f"not even one sample fits; {self._remedy()}"
        size, excess = format_bytes(needed.needed_bytes), format_bytes(needed.needed_bytes - limit_bytes)
        raise DeviceError(
            f"{needed.model} needs {size} for batch {needed.batch}, {excess} more than {limit}; {remedy}",
            checkpoint=...,
            optimizer="sgd",
            dtype="bf16",
            inputs=...,
            **arguments,
        )

    def caveats(self, trace: Trace) -> tuple[str, ...]:
        """Return what a reader of the numbers must know, as sentences."""
        return caveats(self.loaded.name, layer_table(trace), trace.real_data_reason)

    def _smallest_batch(self) -> tuple[int, Trace]:
        """Return the smallest batch that the model runs on, with its trace; batch normalisation may need two."""
        try:
            return 1, self.trace(1)
        except ForwardError:
            return 2, self.trace(2)

    def _remedy(self) -> str:
        if self.mode == "train":
            return "less is needed with {checkpoint}, {optimizer} or {dtype}"
        return "less is needed with {dtype} or smaller {inputs}"


def simulated_run(
    model: Model,
    inputs: Inputs,
    *,
    name: str | None = None,
    mode: Mode,
    dtype: str,
    device: Device | None = None,
    layout: Layout = "nchw",
    compile: bool = False,
    coefficients: Mapping[str, float] | None = None,
    optimizer: str = "momentum",
    optimizer_form: str = "foreach",
    weight_decay: float = 0.0,
    checkpoint: str | None = None,
    attention: Attention = "auto",
) -> SimulatedRun:
    """Return the run of a model, under `name` if one is given.

    Raises DeviceError for a dtype that the device lacks, UsageError for other values.
    """
    choose("mode", mode, get_args(Mode))
    choose("layout", layout, get_args(Layout))
    updated_by = optimizer_of(optimizer, optimizer_form, weight_decay)
    if mode != "train":
        _require_defaults(
            "{mode}", {"mode": "train"}, optimizer=optimizer, optimizer_form=optimizer_form, weight_decay=weight_decay,
            checkpoint=checkpoint,
        )  # fmt: skip
    if updated_by is None:
        _require_defaults(
            "an {optimizer}", {"optimizer": ...}, optimizer_form=optimizer_form, weight_decay=weight_decay
        )
    if device is None:
        _require_defaults("a {device}", {"device": ...}, layout=layout)
    kind: DeviceKind = "cpu" if device is not None and device.kind == "cpu" else "cuda"
    loaded = load_model(model, inputs, dtype=dtype, checkpoint=checkpoint, attention=attention, device_kind=kind)
    conditions = None
    if device is not None:
        if loaded.precision.tf32 and device.compute_capability is None:
            raise UsageError(f"{{dtype}} requires an NVIDIA GPU, not {device.name}", dtype=dtype)
        device.peak(loaded.precision.product_dtype)
        conditions = Conditions(device, loaded.precision, coefficients or plain_coefficients(1.0), layout, compile)
    return SimulatedRun(loaded if name is None else replace(loaded, name=name), mode, updated_by, conditions)


_DEFAULTS = {
    "optimizer": "momentum",
    "optimizer_form": "foreach",
    "weight_decay": 0.0,
    "checkpoint": None,
    "layout": "nchw",
}


def _require_defaults(required: str, names: Mapping[str, Any], **values: Any) -> None:
    """Raise UsageError for values that have no effect without what they require, which `names` puts in braces."""
    for name, value in values.items():
        if value != _DEFAULTS[name]:
            raise UsageError(f"{{{name}}} requires {required}", **{**names, name: value})


def optimizer_of(algorithm: str, form: str, weight_decay: float) -> Optimizer | None:
    """Return an optimizer, None for `none`. Raises UsageError for an unknown algorithm or form."""
    algorithms: tuple[Algorithm | Literal["none"], ...] = ("none", *STATES)
    chosen, chosen_form = choose("optimizer", algorithm, algorithms), choose("optimizer_form", form, FORMS)
    require_not_negative(weight_decay=weight_decay)
    return None if chosen == "none" else Optimizer(chosen, chosen_form, weight_decay)


def require_not_negative(**values: float | None) -> None:
    """Raise UsageError, naming the argument, for a number below 0."""
    for name, value in values.items():
        if value is not None and not 0 <= value < inf:
            raise UsageError(f"{{{name}}} is not a number from 0", **{name: value})


def device_of(device: str | Device | None) -> Device | None:
    """Return the device with this name, if there is one, as `single_device`."""
    return None if device is None else single_device(device)


def single_device(device: str | Device) -> Device:
    """Return the device with this name. Raises DeviceError for an unknown one, UsageError for several."""
    several = devices_of(device)
    if len(several) > 1:
        raise UsageError(f"{{device}} takes one device, not {len(several)}; estimate takes several", device=device)
    return several[0]


def devices_of(devices: str | Device | Sequence[str | Device]) -> list[Device]:
    """Return one or several devices as a list; text may name several: `"a100,h100"`.

    Raises DeviceError for an unknown one, UsageError for none at all.
    """
    given = [devices] if isinstance(devices, (str, Device)) or not isinstance(devices, Iterable) else list(devices)
    several = [name for each in given for name in (each.split(",") if isinstance(each, str) else [each])]
    if not several:
        raise UsageError("{devices} is empty; give at least one device", devices=...)
    return [_device(device) for device in several]


def _device(device: str | Device) -> Device:
    """Return a device by its name, or as it is. Raises TypeError for anything else."""
    if isinstance(device, str):
        return find_device(device)
    if isinstance(device, Device):
        return device
    raise TypeError(f"a device is a name such as 't4' or one of archbench.devices(), not {device!r:.80}")


def memory_limit(name: str, memory: int | str | Device) -> tuple[int, Device | None]:
    """Return the bytes of a number, of a size such as `"24GiB"` or of a device, and the device if it is one.

    Raises InputError or DeviceError; `name` is the argument's.
    """
    if isinstance(memory, int):
        if memory <= 0:
            raise UsageError(f"{{{name}}} is not a number of bytes above 0", **{name: memory})
        return memory, None
    if isinstance(memory, str) and memory[:1].isdigit():
        return parse_bytes(memory), None
    device = _device(memory)
    return device.free_bytes, device


def numbers_of(name: str, values: int | Sequence[int]) -> list[int]:
    """Return one or several numbers as a list. Raises UsageError, naming the argument, for other than integers >= 1."""
    numbers = list(values) if isinstance(values, Iterable) else [values]
    if not numbers or not all(isinstance(number, int) and number >= 1 for number in numbers):
        raise UsageError(f"{{{name}}} is not a whole number from 1, or several", **{name: values})
    return list(dict.fromkeys(numbers))
