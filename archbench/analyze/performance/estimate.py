"""Predicted throughput of a run, its bound and each layer's share; for a dataset hours, energy and price."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from archbench.analyze.layers import layer_table
from archbench.analyze.performance.parallelism import ParallelStep
from archbench.analyze.performance.rate_basis import RateBasis
from archbench.analyze.performance.roofline import Bound, Conditions, TimedKernel, timed_kernels
from archbench.trace.records import Trace

# From Python, torch issues an operator in 5 to 10 µs; a GPU that is faster waits.
_HOST_LAUNCH_S = 10e-6

# Images per epoch: the training sets of CIFAR-10 and of ILSVRC 2012.
DATASETS = {"cifar10": 50_000, "imagenet": 1_281_167}


@dataclass(frozen=True, slots=True)
class Rate:
    """The time of a step, images per second with their 90% interval (None: not known), and what bounds them.

    `utilisation` is FLOP/s over the peak of the dtype of most products.
    """

    step_s: float
    images_per_s: float
    images_per_s_low: float | None
    images_per_s_high: float | None
    flop_per_s: float
    utilisation: float
    bound: Bound


@dataclass(frozen=True, slots=True)
class RooflineRow:
    """One row of the layer table, or the optimizer's update, under the roofline; all its passes together.

    `time_s` sums to the step's over all rows. `intensity` is FLOPs per byte moved, None where nothing moves.
    """

    index: int
    name: str
    type: str
    flops: int
    moved_bytes: int
    intensity: float | None
    ridge: float
    time_s: float
    share: float
    flop_per_s: float
    bound: Bound


@dataclass(frozen=True, slots=True)
class Workload:
    """A training run: images per epoch (None: no dataset), epochs, and the price per device-hour."""

    images: int | None = None
    epochs: float = 1.0
    price_per_hour: float | None = None


@dataclass(frozen=True, slots=True)
class EstimateRow(Rate):
    """One prediction: the rate of all devices together; `batch` is that of each device.

    `scaling` is the rate relative to that without communication, with each device at the rate of a single one with the
    reference batch; `link` names the assumed links, None for one device. `hours`, `energy_kwh` and `price` are those of
    the whole workload, None without one.
    """

    model: str
    device: str
    devices: int
    mode: str
    batch: int
    dtype: str
    layout: str
    compiled: bool
    communication_s: float
    exposed_s: float
    scaling: float
    link: str | None
    peak_bytes: int
    hours: float | None
    energy_kwh: float | None
    price: float | None

    @property
    def is_fused(self) -> bool:
        """The former name of `compiled`."""
        return self.compiled


def rate(trace: Trace, conditions: Conditions, basis: RateBasis) -> Rate:
    """Return the rate of one device."""
    run = timed_kernels(trace, conditions)
    step_s = sum(kernel.time_s for kernel in run)
    flops = sum(kernel.flops for kernel in run)
    fastest_s, slowest_s = _interval_s(run, conditions, basis.factor)
    peak = conditions.device.peak(conditions.precision.product_dtype)
    return Rate(
        step_s=step_s,
        images_per_s=trace.batch / step_s,
        images_per_s_low=None if slowest_s is None else trace.batch / slowest_s,
        images_per_s_high=None if fastest_s is None else trace.batch / fastest_s,
        flop_per_s=flops / step_s,
        utilisation=flops / step_s / peak,
        bound=_bound(run),
    )


def _interval_s(
    run: Sequence[TimedKernel], conditions: Conditions, factor: float | None
) -> tuple[float, float] | tuple[None, None]:
    """Return the shortest and the longest time of the 90% interval.

    On a GPU the longest allows for a host that needs 10 µs to launch each kernel, which bounds small batches.
    """
    if factor is None:
        return None, None
    step_s, host_s = sum(kernel.time_s for kernel in run), 0.0
    if conditions.device.kind == "gpu":
        # The steps of recurrent layers are launched by a library, not from Python.
        host_s = _HOST_LAUNCH_S * sum(kernel.launches > 0 for kernel in run)
    return step_s / factor, max(step_s * factor, host_s)


def roofline_rows(trace: Trace, conditions: Conditions) -> list[RooflineRow]:
    """Return one row per layer, in the order of the layer table, and one for the update if there is one."""
    by_row: defaultdict[str, list[TimedKernel]] = defaultdict(list)
    updates = {id(operation) for operation in trace.update}
    for kernel in timed_kernels(trace, conditions):
        operation = kernel.operation
        by_row["" if id(operation) in updates else trace.row_of(operation)].append(kernel)
    total_s = sum(kernel.time_s for row in by_row.values() for kernel in row)
    named = [(row.name, row.type, by_row[row.name]) for row in layer_table(trace).rows]
    if by_row[""]:
        named.append(("update", trace.optimizer or "", by_row[""]))
    ridge = conditions.device.ridge(conditions.precision.product_dtype)
    return [_row(index, *entry, total_s, ridge) for index, entry in enumerate(named)]


def _row(index: int, name: str, type: str, run: list[TimedKernel], total_s: float, ridge: float) -> RooflineRow:
    flops = sum(kernel.flops for kernel in run)
    moved = sum(kernel.moved_bytes for kernel in run)
    time = sum(kernel.time_s for kernel in run)
    return RooflineRow(
        index=index,
        name=name,
        type=type,
        flops=flops,
        moved_bytes=moved,
        intensity=flops / moved if moved else None,
        ridge=ridge,
        time_s=time,
        share=time / total_s if total_s else 0.0,
        flop_per_s=flops / time if time else 0.0,
        bound=_bound(run),
    )


def _bound(run: Iterable[TimedKernel]) -> Bound:
    """Return what most of the time is spent on: kernels bound by arithmetic, kernels bound by memory, or launches."""
    spent: dict[Bound, float] = {"compute": 0.0, "memory": 0.0, "launch": 0.0}
    for kernel in run:
        spent["compute" if kernel.compute_s > kernel.memory_s else "memory"] += max(kernel.compute_s, kernel.memory_s)
        spent["launch"] += kernel.launch_s
    return max(spent, key=lambda bound: spent[bound])


def estimate_row(
    model: str,
    trace: Trace,
    conditions: Conditions,
    basis: RateBasis,
    *,
    step: ParallelStep,
    link: str | None,
    reference_images_per_s: float,
    workload: Workload,
    peak_bytes: int,
) -> EstimateRow:
    """Return the prediction for the devices of `step`, each of which runs `trace`.

    `reference_images_per_s` is the rate of one device alone with the reference batch.
    """
    single, device = rate(trace, conditions, basis), conditions.device
    images_per_s = step.images / step.step_s
    speedup = images_per_s / single.images_per_s
    hours = None if workload.images is None else workload.images * workload.epochs / images_per_s / 3600
    device_hours = None if hours is None else hours * step.devices
    power_w, price_per_hour = device.power_w, workload.price_per_hour
    return EstimateRow(
        model=model,
        device=device.name,
        devices=step.devices,
        mode=trace.mode,
        batch=trace.batch,
        dtype=conditions.precision.name,
        layout=conditions.layout,
        compiled=conditions.is_compiled,
        images_per_s=images_per_s,
        images_per_s_low=_scaled(single.images_per_s_low, speedup),
        images_per_s_high=_scaled(single.images_per_s_high, speedup),
        step_s=step.step_s,
        communication_s=step.communication_s,
        exposed_s=step.exposed_s,
        scaling=images_per_s / (step.devices * reference_images_per_s),
        flop_per_s=single.flop_per_s * speedup,
        utilisation=single.utilisation * speedup / step.devices,
        bound="communication" if step.exposed_s > step.step_s / 2 else single.bound,
        link=link,
        peak_bytes=peak_bytes,
        hours=hours,
        energy_kwh=None if device_hours is None or power_w is None else device_hours * power_w / 1000,
        price=None if device_hours is None or price_per_hour is None else device_hours * price_per_hour,
    )


def _scaled(images_per_s: float | None, factor: float) -> float | None:
    return None if images_per_s is None else images_per_s * factor
