"""What `archbench estimate` puts together: its assumptions, and its three tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archbench.analyze.performance.efficiency import Efficiency
    from archbench.analyze.performance.estimate import Workload
    from archbench.hardware.device import Device
    from archbench.reporting.table import Table
    from cli.predicting import Run


def images_in(dataset: str) -> int:
    """Return how many images an epoch has."""
    from archbench.analyze.performance.estimate import DATASETS
    from archbench.errors import UsageError, nearest
    from archbench.units import parse_count

    if dataset in DATASETS:
        return DATASETS[dataset]
    if dataset[:1].isdigit():
        count = parse_count(dataset)
        if count == 0:
            raise UsageError(f"--dataset {dataset} has no images; give a number from 1")
        return count
    known = ", ".join(DATASETS)
    raise UsageError(f"--dataset {dataset} is neither one of {known} nor a number{nearest(dataset, DATASETS)}")


def assumed_efficiency(given: float | None, place: Device, fused: bool) -> Efficiency:
    """Return the efficiency that the user gave, or else the one that is stated for the device."""
    from archbench.analyze.performance.efficiency import Efficiency, stated_efficiency
    from archbench.errors import UsageError

    if given is None:
        return stated_efficiency(place, is_fused=fused)
    if not 0 < given <= 2:
        raise UsageError(f"--efficiency {given:g} is no part of a peak; give one such as 0.8")
    return Efficiency(given, given, given, 0.0, "as given")


def link_rate(given: str | None, place: Device, counts: list[int]) -> float:
    """Return bytes per second between devices."""
    from archbench.errors import DeviceError, UsageError
    from archbench.units import parse_bytes

    if given is not None and counts == [1]:
        raise UsageError(f"--interconnect {given} is of use with several --devices only")
    if given is not None:
        rate = parse_bytes(given)
        if rate == 0:
            raise UsageError(f"--interconnect {given} sends nothing; give bytes a second, such as 50GB")
        return rate
    if place.interconnect_bytes_per_s is None and counts != [1]:
        raise DeviceError(f"{place.name} has no published interconnect; say one, such as --interconnect 10GB")
    return place.interconnect_bytes_per_s or 0.0


def rates_table(
    run: Run,
    batch: int,
    global_batch: int | None,
    counts: list[int],
    link: float,
    efficiency: Efficiency,
    workload: Workload,
) -> Table:
    """Return one row a number of devices."""
    from archbench.analyze.performance.estimate import estimate_row
    from archbench.analyze.performance.parallelism import data_parallel
    from archbench.analyze.performance.roofline import time_s
    from archbench.errors import UsageError
    from archbench.reporting.tables.estimate import estimates_table

    assert run.conditions is not None, "a device was named"
    conditions = run.conditions
    if global_batch is not None and counts[-1] > global_batch:
        raise UsageError(f"--global-batch {global_batch} cannot be divided among {counts[-1]} devices; give fewer")
    reference = run.trace(global_batch or batch)
    single = reference.batch / _positive(time_s(reference, conditions), run)
    rows = []
    for count in counts:
        size = batch if global_batch is None else -(-global_batch // count)
        trace = reference if size == reference.batch else run.trace(size)
        needed = run.footprint(size, trace)
        run.require_fit(needed, conditions.device.free_bytes, f"the {conditions.device.name} has")
        step = data_parallel(trace, conditions, count, link, global_batch or count * size)
        rows.append(
            estimate_row(
                run.loaded.name,
                trace,
                conditions,
                efficiency,
                step=step,
                reference_images_per_s=single,
                workload=workload,
                peak_bytes=needed.needed_bytes,
            )
        )
    return estimates_table(
        rows,
        device=conditions.device,
        link_bytes_per_s=link,
        efficiency=efficiency,
        caveats=run.caveats(reference),
    )


def _positive(time_s: float, run: Run) -> float:
    """Return a time. Raises InputError for a model that does nothing which takes any."""
    from archbench.errors import InputError

    if time_s == 0:
        raise InputError(f"{run.loaded.name} runs no operator that takes time; there is nothing to estimate")
    return time_s


def layers_table(run: Run, batch: int, efficiency: Efficiency) -> Table:
    """Return the roofline of each layer."""
    from archbench.analyze.performance.estimate import roofline_rows
    from archbench.reporting.tables.estimate import roofline_table

    assert run.conditions is not None, "a device was named"
    trace = run.trace(batch)
    name = run.loaded.name
    title = f"{name}, {trace.mode}, batch {batch}, {run.loaded.precision.name} on {run.conditions.device.name}"
    rows = roofline_rows(trace, run.conditions)
    _positive(sum(row.time_s for row in rows), run)
    return roofline_table(rows, title=title, efficiency=efficiency, caveats=run.caveats(trace))


def parallel_table(run: Run, batch: int, count: int, link: float, efficiency: Efficiency) -> Table:
    """Return what each layer sends under each kind of parallelism."""
    from archbench.analyze.performance.parallelism import layer_traffic, plan_steps
    from archbench.analyze.performance.roofline import time_s
    from archbench.reporting.tables.estimate import plans_table

    assert run.conditions is not None, "a device was named"
    trace = run.trace(batch)
    rows = layer_traffic(trace, count)
    plans = plan_steps(rows, time_s(trace, run.conditions), link)
    title = f"{run.loaded.name}, {count} x {run.conditions.device.name}, batch {batch} on each"
    return plans_table(
        rows, plans, images=count * batch, title=title, efficiency=efficiency, caveats=run.caveats(trace)
    )
