"""Predict the peak memory of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archbench.analyze.memory.footprint import Footprint
from archbench.analyze.memory.layers import LayerMemory, layer_memory
from archbench.analyze.memory.timeline import Moment, timeline
from archbench.analyze.performance.kernels import Layout
from archbench.api.names import named_models, shared_inputs
from archbench.api.prediction import SimulatedRun, device_of, memory_limit, numbers_of, simulated_run
from archbench.errors import UsageError
from archbench.hardware.device import Device
from archbench.models.loaded import Inputs, Model
from archbench.reporting.record_table import RecordTable
from archbench.reporting.tables.memory import layer_memory_table, memory_table, timeline_table
from archbench.trace.attention import Attention
from archbench.trace.records import Trace
from archbench.trace.tracer import Mode
from archbench.units import format_bytes


@dataclass(frozen=True, repr=False)
class MemoryEstimate(RecordTable[Footprint]):
    """The predicted peak memory, one row per model and batch.

    `rows` are plain records in bytes; `layers` and `timeline` show a single run in detail.
    """

    traces: tuple[Trace, ...]

    @property
    def layers(self) -> RecordTable[LayerMemory]:
        """What each layer saves for backward, and the peak while it runs. Raises UsageError for several runs."""
        row, trace = self._single("layers")
        rows = layer_memory(trace)
        return RecordTable(rows, layer_memory_table(rows, title=_title(row), caveats=self.caveats))

    @property
    def timeline(self) -> RecordTable[Moment]:
        """The memory in use while each operator runs. Raises UsageError for several runs."""
        row, trace = self._single("timeline")
        rows = tuple(timeline(trace))
        return RecordTable(rows, timeline_table(rows, title=_title(row), caveats=self.caveats))

    def __repr__(self) -> str:
        row = max(self.rows, key=lambda row: row.peak_bytes)
        peak = f"{row.model}, {row.mode}, batch {row.batch}: {format_bytes(row.peak_bytes)}"
        return f"<MemoryEstimate of {peak}{'' if len(self.rows) == 1 else f', largest of {len(self.rows)} rows'}>"

    def _single(self, view: str) -> tuple[Footprint, Trace]:
        if len(self.rows) > 1:
            raise UsageError(f"{{{view}}} shows a single row, not {len(self.rows)}", **{view: ...})
        return self.rows[0], self.traces[0]


def memory(
    models: Model | Sequence[Model] | Mapping[str, Model],
    inputs: Inputs = None,
    *,
    batch: int | Sequence[int] = 1,
    mode: Mode = "eval",
    optimizer: str = "momentum",
    optimizer_form: str = "foreach",
    weight_decay: float = 0.0,
    dtype: str = "fp32",
    checkpoint: str | None = None,
    attention: Attention = "auto",
    device: str | Device | None = None,
    layout: Layout = "nchw",
    fit: int | str | Device | None = None,
) -> MemoryEstimate:
    """Return the predicted peak memory of one or several models, one row per model and batch.

    Args:
        models: A module or an address, a sequence of those, or a mapping from the names of rows to those.
        inputs: As for `archbench.summarize`; each model's usual input by default.
        batch: The number of samples, or several.
        mode: `"train"` adds the backward pass and the optimizer's update, with its state.
        optimizer: `"none"`, `"sgd"`, `"momentum"`, `"adam"` or `"adamw"`; in training only.
        optimizer_form: torch's implementation of the update: `"foreach"`, `"fused"` or `"loop"`.
        weight_decay: The optimizer's weight decay, which needs a temporary tensor.
        dtype: `"fp32"`, `"tf32"`, `"bf16"`, `"fp16"`, or autocast by `"amp"` and `"amp-fp16"`.
        checkpoint: The modules that are recomputed in backward (`"layer1,layer2.*"`), or the number of segments of a
            Sequential; in training only.
        attention: `"fused"` or `"math"`: attention always as one kernel, or as separate products; by default as torch
            runs it on `device`, without one on an NVIDIA GPU.
        device: A device whose workspaces and rounding are added; see `archbench.devices`.
        layout: `"nchw"` or `"nhwc"`: channels first or last; matters for workspaces only.
        fit: Find the largest batch that fits, instead of `batch`: bytes, a size such as `"24GiB"`, or a device.

    The model is run once per batch, on tensors without data, and is left exactly as it was.
    Raises DeviceError if nothing fits `fit`, and what `archbench.summarize` raises.
    """
    if fit is not None and batch != 1:
        raise UsageError("{fit} determines the batch; leave {batch} out", fit=fit, batch=batch)
    limit_bytes, limit_device = (0, None) if fit is None else memory_limit("fit", fit)
    batches = numbers_of("batch", batch)
    runs = [
        simulated_run(
            model,
            inputs,
            name=name,
            mode=mode,
            dtype=dtype,
            device=device_of(device) or limit_device,
            layout=layout,
            optimizer=optimizer,
            optimizer_form=optimizer_form,
            weight_decay=weight_decay,
            checkpoint=checkpoint,
            attention=attention,
        )
        for name, model in named_models(models)
    ]
    with shared_inputs(inputs, len(runs)):
        if fit is not None:
            return _joined([_largest(run, limit_bytes, fit) for run in runs])
        return _joined([_of_batches(run, batches) for run in runs])


def _of_batches(run: SimulatedRun, batches: Sequence[int], notes: tuple[str, ...] = ()) -> MemoryEstimate:
    """Return the memory of one model, one row per batch."""
    traces = tuple(run.trace(batch) for batch in batches)
    rows = tuple(map(run.footprint, traces))
    return MemoryEstimate(rows, memory_table(rows, notes=notes, caveats=run.caveats(traces[-1])), traces)


def _largest(run: SimulatedRun, limit_bytes: int, fit: int | str | Device) -> MemoryEstimate:
    """Return the memory of the largest batch that fits. Raises DeviceError if none does."""
    batch = run.largest_batch(limit_bytes)
    limit = fit.name if isinstance(fit, Device) else fit
    estimate = _of_batches(run, [batch or 1], (f"The largest batch that fits {limit}: {batch or 1}.",))
    run.require_fit(estimate.rows[0], limit_bytes, "{fit}", fit=limit)
    return estimate


def _joined(estimates: Sequence[MemoryEstimate]) -> MemoryEstimate:
    """Return the estimates of several models as one table."""
    if len(estimates) == 1:
        return estimates[0]
    rows = tuple(row for estimate in estimates for row in estimate.rows)
    caveats = [caveat for estimate in estimates for caveat in estimate.caveats]
    return MemoryEstimate(
        rows, memory_table(rows, caveats=caveats), tuple(trace for estimate in estimates for trace in estimate.traces)
    )


def _title(row: Footprint) -> str:
    return f"{row.model}, {row.mode}, batch {row.batch}, {row.dtype}"
