"""What a prediction says of a run: its rate, what bounds it, each layer's part; on a data set hours, energy, money."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from archbench.analyze.layers import layer_table
from archbench.analyze.performance.efficiency import Efficiency
from archbench.analyze.performance.parallelism import Scaled
from archbench.analyze.performance.roofline import Bound, Conditions, Kernel, kernels, time_s
from archbench.trace.records import Trace

# Images that an epoch takes: ILSVRC 2012's training set, CIFAR-10's.
DATASETS = {"cifar10": 50_000, "imagenet": 1_281_167}


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast one device is: a step's time, images a second with their error band, and what holds it back.

    `utilisation` is FLOPs a second over the peak of the dtype that most FLOPs are in.
    """

    step_s: float
    images_per_s: float
    images_per_s_low: float
    images_per_s_high: float
    flop_per_s: float
    utilisation: float
    bound: Bound


@dataclass(frozen=True, slots=True)
class RooflineRow:
    """One row of the layer table, or the update, under the roofline; all its passes together.

    `time_s` of all rows sum to the step's. `intensity` is FLOPs per byte moved, None where nothing moves.
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
class Job:
    """What is to be trained on, if anything: images an epoch, epochs, and the price of one device's hour."""

    images: int | None = None
    epochs: float = 1.0
    price_per_hour: float | None = None


@dataclass(frozen=True, slots=True)
class EstimateRow:
    """One prediction: the rate of all devices together, `batch` being that of each.

    `scaling` is the rate over what the devices would reach without communication, each at the speed of one alone with
    the reference batch. `hours`, `energy_kwh` and `price` are of the whole job and None where that was not stated.
    """

    model: str
    device: str
    devices: int
    mode: str
    batch: int
    dtype: str
    layout: str
    is_fused: bool
    images_per_s: float
    images_per_s_low: float
    images_per_s_high: float
    step_s: float
    communication_s: float
    exposed_s: float
    scaling: float
    flop_per_s: float
    utilisation: float
    bound: Bound
    peak_bytes: int
    hours: float | None
    energy_kwh: float | None
    price: float | None


def rate(trace: Trace, conditions: Conditions, efficiency: Efficiency) -> Rate:
    """Return the rate of one device, its band from the efficiency's range and the error of its fit."""
    found = list(kernels(trace, conditions))
    step_s = sum(kernel.time_s for kernel in found)
    flops = sum(kernel.flops for kernel in found)
    slow, fast = (
        trace.batch / time_s(trace, replace(conditions, efficiency=bound))
        for bound in (efficiency.low, efficiency.high)
    )
    peak = conditions.device.peak(conditions.precision.product_dtype)
    return Rate(
        step_s=step_s,
        images_per_s=trace.batch / step_s,
        images_per_s_low=slow * (1 - efficiency.error),
        images_per_s_high=fast * (1 + efficiency.error),
        flop_per_s=flops / step_s,
        utilisation=flops / step_s / peak,
        bound=_bound(found),
    )


def roofline_rows(trace: Trace, conditions: Conditions) -> list[RooflineRow]:
    """Return one row a layer in the order of the layer table, and one for the update where there is one."""
    by_row: defaultdict[str, list[Kernel]] = defaultdict(list)
    updates = {id(operation) for operation in trace.update}
    for kernel in kernels(trace, conditions):
        operation = kernel.operation
        by_row["" if id(operation) in updates else trace.row_of(operation)].append(kernel)
    total_s = sum(kernel.time_s for found in by_row.values() for kernel in found)
    named = [(row.name, row.type, by_row[row.name]) for row in layer_table(trace).rows]
    if by_row[""]:
        named.append(("update", trace.optimizer or "", by_row[""]))
    ridge = conditions.device.ridge(conditions.precision.product_dtype)
    return [_row(index, *entry, total_s, ridge) for index, entry in enumerate(named)]


def _row(index: int, name: str, kind: str, found: list[Kernel], total_s: float, ridge: float) -> RooflineRow:
    flops = sum(kernel.flops for kernel in found)
    moved = sum(kernel.moved_bytes for kernel in found)
    time = sum(kernel.time_s for kernel in found)
    return RooflineRow(
        index=index,
        name=name,
        type=kind,
        flops=flops,
        moved_bytes=moved,
        intensity=flops / moved if moved else None,
        ridge=ridge,
        time_s=time,
        share=time / total_s if total_s else 0.0,
        flop_per_s=flops / time if time else 0.0,
        bound=_bound(found),
    )


def _bound(found: Iterable[Kernel]) -> Bound:
    """Return what most of the time goes to: kernels that arithmetic bounds, that memory bounds, or launches."""
    spent: dict[Bound, float] = {"compute": 0.0, "memory": 0.0, "launch": 0.0}
    for kernel in found:
        spent["compute" if kernel.compute_s > kernel.memory_s else "memory"] += max(kernel.compute_s, kernel.memory_s)
        spent["memory"] += kernel.helper_s
        spent["launch"] += kernel.launch_s
    return max(spent, key=lambda bound: spent[bound])


def estimate_row(
    model: str,
    trace: Trace,
    conditions: Conditions,
    efficiency: Efficiency,
    *,
    scaled: Scaled,
    images: int,
    single_images_per_s: float,
    job: Job,
    peak_bytes: int,
) -> EstimateRow:
    """Return the prediction for several devices, of which each runs `trace`.

    `images` are those that all devices take in a step, `single_images_per_s` what one device alone reaches with the
    reference batch.
    """
    alone = rate(trace, conditions, efficiency)
    devices, device = scaled.devices, conditions.device
    images_per_s = images / scaled.step_s
    slowed = images_per_s / alone.images_per_s
    hours = None if job.images is None else job.images * job.epochs / images_per_s / 3600
    return EstimateRow(
        model=model,
        device=device.name,
        devices=devices,
        mode=trace.mode,
        batch=trace.batch,
        dtype=conditions.precision.name,
        layout=conditions.layout,
        is_fused=conditions.is_fused,
        images_per_s=images_per_s,
        images_per_s_low=alone.images_per_s_low * slowed,
        images_per_s_high=alone.images_per_s_high * slowed,
        step_s=scaled.step_s,
        communication_s=scaled.communication_s,
        exposed_s=scaled.exposed_s,
        scaling=images_per_s / (devices * single_images_per_s),
        flop_per_s=alone.flop_per_s * slowed,
        utilisation=alone.utilisation * slowed / devices,
        bound="communication" if scaled.exposed_s > scaled.step_s / 2 else alone.bound,
        peak_bytes=peak_bytes,
        hours=hours,
        energy_kwh=None if hours is None or device.power_w is None else hours * devices * device.power_w / 1000,
        price=None if hours is None or job.price_per_hour is None else hours * devices * job.price_per_hour,
    )
