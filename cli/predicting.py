"""What the commands that predict have in common: a model as it would be run, and on which device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archbench.errors import DeviceError, ForwardError, InputError, UsageError
from cli.loading import load
from cli.options import Algorithm, Layout, Mode, UpdateForm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archbench.analyze.memory.footprint import Footprint
    from archbench.analyze.performance.roofline import Conditions
    from archbench.hardware.device import Device
    from archbench.models.loaded import LoadedModel
    from archbench.trace.optimizer_step import Optimizer
    from archbench.trace.records import Trace


@dataclass(frozen=True, slots=True)
class Run:
    """A model with everything that decides what running it takes, but for the batch."""

    loaded: LoadedModel
    mode: Mode
    optimizer: Optimizer | None
    conditions: Conditions | None

    def trace(self, batch: int) -> Trace:
        """Return the trace of one batch."""
        return self.loaded.trace(batch, self.mode, self.optimizer)

    def footprint(self, batch: int, trace: Trace | None = None) -> Footprint:
        """Return the memory of one batch; `trace` is its trace if there is one already."""
        from archbench.analyze.memory.footprint import footprint

        name, dtype = self.loaded.name, self.loaded.precision.name
        return footprint(name, trace or self.trace(batch), dtype, self.conditions)

    def largest_batch(self, limit_bytes: int) -> int:
        """Return the largest batch that needs no more, 0 if there is none.

        Raises InputError for a model that needs real data, for the search would need real memory.
        """
        from archbench.analyze.memory.footprint import largest_batch

        smallest, trace = self._smallest_batch()
        if trace.real_data_reason:
            address = self.loaded.name
            why = trace.real_data_reason
            raise InputError(f"{address} needs real data, because {why}; try one --batch after the other")
        return largest_batch(lambda batch: self.footprint(batch).needed_bytes, limit_bytes, smallest)

    def _smallest_batch(self) -> tuple[int, Trace]:
        """Return the smallest batch that the model runs on, with its trace; batch normalisation may need two."""
        try:
            return 1, self.trace(1)
        except ForwardError:
            return 2, self.trace(2)

    def require_fit(self, found: Footprint, limit_bytes: int, where: str) -> None:
        """Raise DeviceError, saying by how much and what would fit, if a batch needs more than the limit."""
        from archbench.units import format_bytes

        if found.needed_bytes <= limit_bytes:
            return
        fits = 0 if found.batch == 1 else self.largest_batch(limit_bytes)
        would = f"batch {fits} fits" if fits else f"not even one sample fits; {self._remedy()}"
        needed, excess = format_bytes(found.needed_bytes), format_bytes(found.needed_bytes - limit_bytes)
        raise DeviceError(f"{found.model} needs {needed} for batch {found.batch}, {excess} more than {where}; {would}")

    def caveats(self, trace: Trace) -> tuple[str, ...]:
        """Return what a reader of the numbers must know."""
        from archbench.analyze.layers import layer_table
        from archbench.reporting.tables.model import caveats

        return caveats(self.loaded.name, layer_table(trace), trace.real_data_reason)

    def _remedy(self) -> str:
        if self.mode == "train":
            return "less is needed with --checkpoint, --optimizer sgd or --dtype bf16"
        return "less is needed with --dtype bf16 or a smaller --input"


def prepare(
    address: str,
    *,
    inputs: Sequence[str] | None,
    mode: Mode,
    dtype: str,
    checkpoint: str | None,
    optimizer: Optimizer | None,
    device: Device | None,
    layout: Layout,
    is_fused: bool = False,
    efficiency: float = 1.0,
) -> Run:
    """Return the run of the model at `address`. Raises DeviceError for a dtype that the device lacks."""
    from archbench.precision import find_precision

    precision = find_precision(dtype)
    if checkpoint is not None and mode != "train":
        raise UsageError(f"--checkpoint {checkpoint} is of use in training only; add --mode train")
    conditions: Any = None
    if device is not None:
        from archbench.analyze.performance.roofline import Conditions

        device.peak(precision.product_dtype)
        conditions = Conditions(device, precision, efficiency, layout, is_fused)
    return Run(load(address, inputs, precision, checkpoint), mode, optimizer, conditions)


def chosen_optimizer(algorithm: Algorithm, form: UpdateForm, weight_decay: float) -> Optimizer | None:
    """Return the optimizer that the options say, None for none."""
    from archbench.trace import optimizer_step as update

    if algorithm == "none":
        return None
    return update.Optimizer(algorithm, form, weight_decay)
