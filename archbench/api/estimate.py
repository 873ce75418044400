"""Predict throughput, time, energy and price on a device."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from archbench.analyze.performance.estimate import EstimateRow, RooflineRow, Workload, estimate_row, roofline_rows
from archbench.analyze.performance.kernels import Layout
from archbench.analyze.performance.model_basis import basis_of_model
from archbench.analyze.performance.parallelism import LayerTraffic, data_parallel, layer_traffic, plan_steps
from archbench.analyze.performance.products import is_convolution
from archbench.analyze.performance.roofline import Conditions, time_s
from archbench.api.estimate_assumptions import assumptions_for, device_counts, workload_of
from archbench.api.names import named_models, shared_inputs
from archbench.api.prediction import SimulatedRun, devices_of, numbers_of, simulated_run
from archbench.errors import InputError, UsageError
from archbench.hardware.device import Device
from archbench.models.loaded import Inputs, Model
from archbench.reporting.record_table import RecordTable
from archbench.reporting.tables.estimate import Assumptions, estimates_table, plans_table, roofline_table
from archbench.trace.attention import Attention
from archbench.trace.records import Trace
from archbench.trace.tracer import Mode
from archbench.units import format_measure

# Of published batches that really ran, a few are predicted to need up to 6% more than the device has.
_FIT_TOLERANCE = 1.1


@dataclass(frozen=True, slots=True)
class Prediction:
    """One row of an estimate with what it was computed from: the trace of one device's batch, and the assumptions."""

    row: EstimateRow
    trace: Trace
    conditions: Conditions
    assumed: Assumptions
    caveats: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class Estimate(RecordTable[EstimateRow]):
    """The predicted throughput, one row per model, device, batch and number of devices.

    `rows` are plain records; `layers` and `plans` show a single prediction in detail.
    """

    predictions: tuple[Prediction, ...]

    @property
    def layers(self) -> RecordTable[RooflineRow]:
        """Each layer under the roofline, on one device. Raises UsageError for several rows."""
        prediction = self._single("layers")
        row = prediction.row
        title = f"{row.model}, {row.mode}, batch {row.batch}, {row.dtype} on {row.device}"
        rows = tuple(roofline_rows(prediction.trace, prediction.conditions))
        return RecordTable(rows, roofline_table(rows, title=title, doubts=self.to_table().doubts, caveats=self.caveats))

    @property
    def plans(self) -> RecordTable[LayerTraffic]:
        """What each layer sends under data and model parallelism. Raises UsageError for one device or several rows."""
        prediction = self._single("plans")
        row, trace, assumed = prediction.row, prediction.trace, prediction.assumed
        if row.devices == 1:
            raise UsageError("{plans} requires several devices, such as {count}", plans=..., count=8)
        rows = tuple(layer_traffic(trace, row.devices))
        link_bytes_per_s = assumed.links.ring_bytes_per_s(row.devices)
        steps = plan_steps(rows, time_s(trace, prediction.conditions), link_bytes_per_s)
        title = f"{row.model}, {row.devices} x {row.device}, batch {row.batch} on each"
        table = plans_table(
            rows,
            steps,
            images=row.devices * row.batch,
            title=title,
            basis=assumed.basis,
            caveats=self.caveats,
        )
        return RecordTable(rows, table)

    def __repr__(self) -> str:
        row = max(self.rows, key=lambda row: row.images_per_s)
        fastest = f"{row.model} on {row.devices} x {row.device}: {format_measure(row.images_per_s)} images/s"
        return f"<Estimate of {fastest}{'' if len(self.rows) == 1 else f', fastest of {len(self.rows)} rows'}>"

    def _single(self, view: str) -> Prediction:
        if len(self.rows) > 1:
            raise UsageError(f"{{{view}}} shows a single row, not {len(self.rows)}", **{view: ...})
        return self.predictions[0]


def estimate(
    models: Model | Sequence[Model] | Mapping[str, Model],
    devices: str | Device | Sequence[str | Device],
    *,
    inputs: Inputs = None,
    batch: int | Sequence[int] = 1,
    mode: Mode | None = None,
    dtype: str = "fp32",
    layout: Layout = "nchw",
    compile: bool = False,
    count: int | Sequence[int] = 1,
    global_batch: int | None = None,
    interconnect: float | str | None = None,
    dataset: int | str | None = None,
    epochs: float | None = None,
    price: float | None = None,
    efficiency: float | None = None,
    optimizer: str = "momentum",
    optimizer_form: str = "foreach",
    checkpoint: str | None = None,
    attention: Attention = "auto",
    require_fit: bool = True,
) -> Estimate:
    """Return the predicted throughput of models on devices, one row per model, device, batch and count.

    Args:
        models: A module or an address, a sequence of those, or a mapping from the names of rows to those.
        devices: A device or a sequence of those; see `archbench.devices`.
        inputs: As for `archbench.summarize`; each model's usual input by default.
        batch: The number of samples on each device, or several.
        mode: `"eval"`, or `"train"`: forward, backward and the optimizer's update. By default `"train"` with a dataset
            or several devices, else `"eval"`.
        dtype: `"fp32"`, `"tf32"`, `"bf16"`, `"fp16"`, or autocast by `"amp"` and `"amp-fp16"`.
        layout: `"nchw"` or `"nhwc"`: channels first or last.
        compile: As compiled by torch.compile: elementwise operators are fused.
        count: The number of devices that train data parallel, or several numbers.
        global_batch: The samples of all devices together, instead of `batch`.
        interconnect: Bytes per second between all devices, as a number or a size such as `"50GB"`. By default the
            device's published link within a host, and between hosts (of 8 devices) the network of its maker's systems.
        dataset: `"imagenet"`, `"cifar10"` or a number of images: adds hours and energy of the training.
        epochs: Passes over the dataset; 1 by default.
        price: The price per device-hour: adds the price of the training.
        efficiency: A fraction of the peak: predict by the plain roofline, in which every product reaches it.
        optimizer: As for `archbench.memory`.
        optimizer_form: As for `archbench.memory`.
        checkpoint: As for `archbench.memory`.
        attention: As for `archbench.memory`.
        require_fit: Raise DeviceError for a batch that does not fit in the device's memory.

    Raises UsageError for arguments that do not go together, DeviceError for an unknown device or a dtype that it lacks,
    and what `archbench.summarize` raises.
    """
    counts = device_counts(count, global_batch)
    if global_batch is not None and numbers_of("batch", batch) != [1]:
        raise UsageError(
            "{global_batch} determines the batch; leave {batch} out", global_batch=global_batch, batch=batch
        )
    batches = numbers_of("batch", batch) if global_batch is None else [global_batch]
    workload = workload_of(dataset, epochs, price)
    mode = mode or ("train" if dataset is not None or counts != [1] else "eval")
    if mode == "eval" and counts != [1]:
        raise UsageError("{count} requires {mode}", count=count, mode="train")
    assumptions = [
        assumptions_for(
            device, efficiency, interconnect, counts, mode=mode, dtype=dtype, layout=layout, compile=compile
        )
        for device in devices_of(devices)
    ]
    predictions: list[Prediction] = []
    named = named_models(models)
    for (name, model), assumed in itertools.product(named, assumptions):
        run = simulated_run(
            model,
            inputs,
            name=name,
            mode=mode,
            dtype=dtype,
            device=assumed.device,
            layout=layout,
            compile=compile,
            coefficients=assumed.basis.coefficients,
            optimizer=optimizer,
            optimizer_form=optimizer_form,
            checkpoint=checkpoint,
            attention=attention,
        )
        with shared_inputs(inputs, len(named)):
            for size in batches:
                predictions += _predictions(run, assumed, size, counts, global_batch is not None, workload, require_fit)
    rows = tuple(prediction.row for prediction in predictions)
    caveats = dict.fromkeys(caveat for prediction in predictions for caveat in prediction.caveats)
    assumed_for_rows = [prediction.assumed for prediction in predictions]
    table = estimates_table(
        rows, assumptions=assumed_for_rows, tf32_rate=_tf32_rate(predictions[0], efficiency), caveats=caveats
    )
    return Estimate(rows, table, tuple(predictions))


def _tf32_rate(prediction: Prediction, efficiency: float | None) -> float | None:
    """Return the rate of one device as torch runs fp32 by default, where convolutions in TF32 are predicted in fp32.

    This default is cuDNN's, so that of NVIDIA's GPUs alone.
    """
    conditions, trace = prediction.conditions, prediction.trace
    device = conditions.device
    has_tf32 = device.compute_capability is not None and "tf32" in device.peak_flop_per_s
    if conditions.precision.name != "fp32" or not has_tf32 or efficiency is not None:
        return None
    if not any(is_convolution(operation) for operation in trace.operations):
        return None
    return trace.batch / time_s(trace, replace(conditions, has_tf32_convolutions=True))


def _predictions(
    run: SimulatedRun,
    assumed: Assumptions,
    batch: int,
    counts: Sequence[int],
    is_global: bool,
    workload: Workload,
    require_fit: bool,
) -> Iterator[Prediction]:
    """Yield one prediction per number of devices; `batch` is that of each device, or of all with `is_global`."""
    assert run.conditions is not None, "estimates name a device"
    reference, device = run.trace(batch), assumed.device
    reference_s = time_s(reference, run.conditions)
    if reference_s == 0:
        raise InputError(f"{run.loaded.name} runs no operator that takes time; there is nothing to estimate")
    if run.loaded.tensors is not None:
        batch = reference.batch
    for count in counts:
        size = -(-batch // count) if is_global else batch
        trace = reference if size == batch else run.trace(size)
        basis = basis_of_model(assumed.basis, trace, is_gpu=device.kind == "gpu")
        footprint = run.footprint(trace)
        if require_fit and footprint.needed_bytes > _FIT_TOLERANCE * device.free_bytes:
            run.require_fit(footprint, device.free_bytes, f"the {device.name} has")
        images = batch if is_global else count * size
        row = estimate_row(
            run.loaded.name,
            trace,
            run.conditions,
            basis,
            step=data_parallel(trace, run.conditions, count, assumed.links.ring_bytes_per_s(count), images),
            link=None if count == 1 else assumed.links.describe(count),
            reference_images_per_s=reference.batch / reference_s,
            workload=workload,
            peak_bytes=footprint.needed_bytes,
        )
        yield Prediction(row, trace, run.conditions, replace(assumed, basis=basis), run.caveats(reference))
