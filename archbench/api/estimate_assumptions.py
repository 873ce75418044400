"""What an estimate assumes: devices, their efficiency and links, and the training that it is for."""

from __future__ import annotations

from collections.abc import Sequence

from archbench.analyze.performance.bias import corrected
from archbench.analyze.performance.estimate import DATASETS, Workload
from archbench.analyze.performance.kernels import Layout
from archbench.analyze.performance.links import Links, published_links
from archbench.analyze.performance.rate_basis import HALF_PRECISION, RateBasis, given_basis, rate_basis
from archbench.analyze.performance.roofline import time_s
from archbench.api.prediction import numbers_of, require_not_negative, simulated_run
from archbench.errors import DeviceError, UsageError, nearest
from archbench.hardware.device import Device, MeasuredRate
from archbench.reporting.tables.estimate import Assumptions
from archbench.trace.tracer import Mode
from archbench.units import parse_bytes, parse_count

_MAX_DEVICES = 2**20


def device_counts(count: int | Sequence[int], global_batch: int | None) -> list[int]:
    """Return the numbers of devices. Raises UsageError for too many devices, or more than samples."""
    counts = numbers_of("count", count)
    if max(counts) > _MAX_DEVICES:
        raise UsageError(f"{{count}} is too large: at most {_MAX_DEVICES} devices", count=max(counts))
    if global_batch is not None and max(counts) > global_batch:
        raise UsageError(
            f"{{global_batch}} cannot be divided among {max(counts)} devices; give fewer", global_batch=global_batch
        )
    return counts


def workload_of(dataset: int | str | None, epochs: float | None, price: float | None) -> Workload:
    """Return the training that the dataset names, an empty one for None."""
    if dataset is None:
        if epochs is not None or price is not None:
            raise UsageError("{epochs} and {price} require {dataset}", epochs=..., price=..., dataset=...)
        return Workload()
    require_not_negative(epochs=epochs, price=price)
    return Workload(_images_in(dataset), 1.0 if epochs is None else epochs, price)


def _images_in(dataset: int | str) -> int:
    """Return the images per epoch of a dataset's name, or of a number such as `1.2M`."""
    if isinstance(dataset, str) and dataset in DATASETS:
        return DATASETS[dataset]
    if isinstance(dataset, str) and not dataset[:1].isdigit():
        hint = nearest(dataset, DATASETS)
        raise UsageError(f"{{dataset}} is neither a number nor one of {', '.join(DATASETS)}{hint}", dataset=dataset)
    images = parse_count(dataset) if isinstance(dataset, str) else dataset
    if images < 1:
        raise UsageError("{dataset} has no images; give a number from 1", dataset=dataset)
    return images


def assumptions_for(
    device: Device,
    efficiency: float | None,
    interconnect: float | str | None,
    counts: Sequence[int],
    *,
    mode: Mode,
    dtype: str,
    layout: Layout,
    compile: bool,
) -> Assumptions:
    """Return what is assumed about a device: a given efficiency, or fitted coefficients, and the published link."""
    basis = _given(efficiency)
    if basis is None:
        basis = rate_basis(device, mode=mode, dtype=dtype, layout=layout, is_compiled=compile)
        basis = _corrected(device, basis, _run(mode, dtype, layout, compile=compile))
    return Assumptions(device, basis, _links(device, interconnect, counts))


def _corrected(device: Device, basis: RateBasis, run: str) -> RateBasis:
    """Return the basis corrected by the rates of models that were measured on the device, single samples left out.

    The rates of runs such as the predicted one count, those of others where there are none.
    """
    by_run: dict[str, list[MeasuredRate]] = {}
    for rate in device.measured_rates:
        if rate.batch > 1:
            by_run.setdefault(_run(rate.mode, rate.dtype, rate.layout), []).append(rate)
    if not by_run:
        return basis
    measured_in = run if run in by_run else next(iter(by_run))
    ratios = [rate.images_per_s / _predicted(device, rate) for rate in by_run[measured_in]]
    return corrected(basis, ratios, "" if measured_in == run else measured_in)


def _run(mode: str, dtype: str, layout: str, *, compile: bool = False) -> str:
    """Return how a run is named, as in titles of estimates; all kinds of half precision are one."""
    precision = "half precision" if dtype in HALF_PRECISION else dtype
    return f"{mode}, {precision}, {layout}, {'compiled' if compile else 'eager'}"


def _predicted(device: Device, rate: MeasuredRate) -> float:
    """Return the predicted rate of a model that was measured, in images per second."""
    basis = rate_basis(device, mode=rate.mode, dtype=rate.dtype, layout=rate.layout, is_compiled=False)
    run = simulated_run(
        rate.model,
        None,
        mode=rate.mode,
        dtype=rate.dtype,
        device=device,
        layout=rate.layout,
        coefficients=basis.coefficients,
    )
    assert run.conditions is not None, "a device was given"
    return rate.batch / time_s(run.trace(rate.batch), run.conditions)


def _given(efficiency: float | None) -> RateBasis | None:
    if efficiency is None:
        return None
    if not 0 < efficiency <= 2:
        raise UsageError("{efficiency} is not a fraction of the peak such as 0.8", efficiency=efficiency)
    return given_basis(efficiency)


def _links(device: Device, interconnect: float | str | None, counts: Sequence[int]) -> Links:
    """Return the given link between all devices, or the published one and a usual network between hosts."""
    if interconnect is not None:
        if max(counts) == 1:
            raise UsageError(
                "{interconnect} requires several devices, such as {count}", interconnect=interconnect, count=8
            )
        rate = parse_bytes(interconnect) if isinstance(interconnect, str) else interconnect
        if rate <= 0:
            raise UsageError(
                "{interconnect} is not a rate; give bytes per second such as 50GB", interconnect=interconnect
            )
        return Links("as given", rate)
    links = published_links(device)
    if links is None and max(counts) > 1:
        raise DeviceError(f"{device.name} has no published interconnect; give {{interconnect}}", interconnect="10GB")
    return links or Links("none", 0.0)
