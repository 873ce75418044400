"""`archbench estimate`: how fast a model can be on a device, before either is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import (
    Algorithm,
    Batch,
    Checkpoint,
    Csv,
    Dtype,
    FormatOption,
    Inputs,
    Layout,
    LayoutOption,
    Mode,
    Model,
    OptimizerOption,
    Output,
    UpdateForm,
    UpdateFormOption,
    complete_device,
    parse_range,
)

if TYPE_CHECKING:
    from archbench.analyze.efficiency import Efficiency
    from archbench.analyze.estimate import Job
    from archbench.devices.catalogue import Device
    from archbench.report.table import Table
    from cli.predicting import Run

Device_ = Annotated[
    str, typer.Option("--device", metavar="NAME", help="See 'archbench devices'.", autocompletion=complete_device)
]
ModeChoice = Annotated[Mode | None, typer.Option("--mode", help="Default: eval; train with --dataset or --devices.")]
Devices = Annotated[
    str, typer.Option("--devices", metavar="N", help="Train on several, data parallel: 8, 1,4,8 or 1..1024.")
]
GlobalBatch = Annotated[
    int | None, typer.Option("--global-batch", metavar="N", help="Samples of all devices together.", min=1)
]
Link = Annotated[
    str | None, typer.Option("--interconnect", metavar="SIZE", help="Bytes a second between devices: 50GB.")
]
Dataset = Annotated[
    str | None, typer.Option("--dataset", metavar="NAME|N", help="imagenet, cifar10, or a number of images.")
]


def estimate(
    model: Model,
    device: Device_,
    input: Inputs = None,
    batch: Batch = 1,
    mode: ModeChoice = None,
    dtype: Dtype = "fp32",
    layout: LayoutOption = Layout.nchw,
    fused: Annotated[bool, typer.Option("--fused", help="As compiled by torch.compile.")] = False,
    efficiency: Annotated[
        float | None, typer.Option("--efficiency", metavar="X", help="Part of the peak reached; default: fitted.")
    ] = None,
    optimizer: OptimizerOption = Algorithm.momentum,
    optimizer_form: UpdateFormOption = UpdateForm.foreach,
    checkpoint: Checkpoint = None,
    devices: Devices = "1",
    global_batch: GlobalBatch = None,
    interconnect: Link = None,
    dataset: Dataset = None,
    epochs: Annotated[float, typer.Option("--epochs", metavar="N", help="With --dataset.", min=0.0)] = 1.0,
    price: Annotated[
        float | None, typer.Option("--price", metavar="X", help="Of one device's hour, in any currency.", min=0.0)
    ] = None,
    layers: Annotated[bool, typer.Option("--layers", help="One row a layer under the roofline.")] = False,
    plans: Annotated[bool, typer.Option("--plans", help="Data or model parallel, layer by layer.")] = False,
    format: FormatOption = None,
    output: Output = None,
    csv: Csv = None,
) -> None:
    """Predict rate, time, energy and price on a device.

    Example: archbench estimate vgg16 --device h200 --batch 256 --dtype bf16 --dataset imagenet --epochs 74
    """
    from archbench.analyze.estimate import Job
    from archbench.devices.catalogue import find_device
    from archbench.errors import UsageError
    from cli.output import destination
    from cli.predicting import chosen_optimizer, prepare

    target = destination(format, output, csv)
    counts = parse_range(devices, "number of devices")
    images = None if dataset is None else _images(dataset)
    mode = mode or (Mode.train if dataset or plans or counts != [1] else Mode.eval)
    if mode is Mode.eval and (counts != [1] or plans):
        raise UsageError("--devices and --plans are about training; leave --mode eval out")
    if plans and (len(counts) > 1 or counts == [1]):
        raise UsageError(f"--plans is for one number of devices above 1, such as --devices 8, not '{devices}'")
    place = find_device(device)
    assumed = _efficiency(efficiency, place, fused)
    run = prepare(
        model,
        inputs=input,
        mode=mode,
        dtype=dtype,
        checkpoint=checkpoint,
        optimizer=chosen_optimizer(optimizer, optimizer_form, 0.0),
        device=place,
        layout=layout,
        is_fused=fused,
        efficiency=assumed.value,
    )
    link = _link(interconnect, place, counts)
    if layers:
        target.deliver(_by_layer(run, batch, assumed))
    elif plans:
        target.deliver(_plans(run, batch, counts[0], link, assumed))
    else:
        job = Job(images, epochs, price)
        target.deliver(_rates(run, batch, global_batch, counts, link, assumed, job))


def _images(dataset: str) -> int:
    """Return how many images an epoch has."""
    from archbench.analyze.estimate import DATASETS
    from archbench.errors import UsageError, nearest
    from archbench.units import parse_count

    if dataset in DATASETS:
        return DATASETS[dataset]
    if dataset[:1].isdigit():
        return parse_count(dataset)
    known = ", ".join(DATASETS)
    raise UsageError(f"--dataset {dataset} is neither one of {known} nor a number{nearest(dataset, DATASETS)}")


def _efficiency(given: float | None, place: Device, fused: bool) -> Efficiency:
    from archbench.analyze.efficiency import Efficiency, stated_efficiency
    from archbench.errors import UsageError

    if given is None:
        return stated_efficiency(place, is_fused=fused)
    if not 0 < given <= 2:
        raise UsageError(f"--efficiency {given:g} is no part of a peak; give one such as 0.8")
    return Efficiency(given, given, given, 0.0, "as given")


def _link(given: str | None, place: Device, counts: list[int]) -> float:
    """Return bytes per second between devices."""
    from archbench.errors import DeviceError
    from archbench.units import parse_bytes

    if given is not None:
        return parse_bytes(given)
    if place.interconnect_bytes_per_s is None and counts != [1]:
        raise DeviceError(f"{place.name} has no published interconnect; say one, such as --interconnect 10GB")
    return place.interconnect_bytes_per_s or 0.0


def _rates(
    run: Run,
    batch: int,
    global_batch: int | None,
    counts: list[int],
    link: float,
    efficiency: Efficiency,
    job: Job,
) -> Table:
    """Return one row a number of devices."""
    from archbench.analyze.estimate import estimate_row
    from archbench.analyze.roofline import time_s
    from archbench.analyze.scaling import data_parallel
    from archbench.errors import UsageError
    from archbench.report.estimate_layouts import estimates_table

    assert run.conditions is not None, "a device was named"
    conditions = run.conditions
    if global_batch is not None and counts[-1] > global_batch:
        raise UsageError(f"--global-batch {global_batch} cannot be divided among {counts[-1]} devices; give fewer")
    reference = run.trace(global_batch or batch)
    single = reference.batch / time_s(reference, conditions)
    rows = []
    for count in counts:
        size = batch if global_batch is None else -(-global_batch // count)
        trace = reference if size == reference.batch else run.trace(size)
        needed = run.footprint(size, trace)
        run.require_fit(needed, conditions.device.memory_bytes, f"the {conditions.device.name} has")
        scaled = data_parallel(trace, conditions, count, link)
        rows.append(
            estimate_row(
                run.loaded.source.address,
                trace,
                conditions,
                efficiency,
                scaled=scaled,
                single_images_per_s=single,
                job=job,
                peak_bytes=needed.needed_bytes,
            )
        )
    return estimates_table(rows, efficiency=efficiency, caveats=run.caveats(reference))


def _by_layer(run: Run, batch: int, efficiency: Efficiency) -> Table:
    """Return the roofline of each layer."""
    from archbench.analyze.estimate import roofline_rows
    from archbench.report.estimate_layouts import roofline_table

    assert run.conditions is not None, "a device was named"
    trace = run.trace(batch)
    name = run.loaded.source.address
    title = f"{name}, {trace.mode}, batch {batch}, {run.loaded.precision.name} on {run.conditions.device.name}"
    rows = roofline_rows(trace, run.conditions)
    return roofline_table(rows, title=title, efficiency=efficiency, caveats=run.caveats(trace))


def _plans(run: Run, batch: int, count: int, link: float, efficiency: Efficiency) -> Table:
    """Return what each layer sends under each kind of parallelism."""
    from archbench.analyze.roofline import time_s
    from archbench.analyze.scaling import layer_traffic, planned
    from archbench.report.estimate_layouts import plans_table

    assert run.conditions is not None, "a device was named"
    trace = run.trace(batch)
    rows = layer_traffic(trace, count)
    plans = planned(rows, time_s(trace, run.conditions), link)
    title = f"{run.loaded.source.address}, {count} x {run.conditions.device.name}, batch {batch} on each"
    return plans_table(
        rows, plans, images=count * batch, title=title, efficiency=efficiency, caveats=run.caveats(trace)
    )
