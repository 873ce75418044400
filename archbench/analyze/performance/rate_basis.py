"""What a predicted rate rests on: coefficients, the factor of its 90% interval, and how that is known.

A device with a table of published rates for the mode, form (eager or compiled) and layout of a run has coefficients and
an interval of its own. Another one gets the geometric means over the devices with such a table, and the interval of
devices left out of the fit. If it has rates of another form or layout, the means are multiplied by how much its
coefficients differ there from those of the same devices, and the interval is that of such predictions. If no device has
rates for the mode, dtype or form, the interval is widened: the squares of the logarithms of the factors are added, as
for independent errors. The factors in `_ASSUMED` and `_OTHER_KIND` are assumptions; the others were found on published
rates, which for GPUs are those of GeForce RTX cards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, hypot, log

from archbench.analyze.performance.kernel_table import PRODUCT_KINDS
from archbench.analyze.performance.kernels import Layout
from archbench.analyze.performance.products import measured_kind
from archbench.hardware.catalogue import published_devices
from archbench.hardware.device import Device
from archbench.hardware.fit.coefficients import completed, plain_coefficients
from archbench.hardware.fit.tables import RateTable, fitted_coefficients, intervals, rate_tables
from archbench.hardware.fit.transfer import mean_over_devices, table_of_another_form, transferred

_ASSUMED = {"mode": 1.25, "dtype": 1.2, "cpu": 1.4}
_OTHER_KIND = 1.5
# Tensor cores that add at full rate are limited by power before their peak: on an H200 a large product of random bf16
# matrices reached 790 of 989 TFLOP/s. GeForce cards, an L40 and an A10G add at half rate and reach their peak. At full
# rate half precision is published as at least 3.3 times as fast as fp32 (H20), at half rate or without tensor cores 2.
_FULL_RATE = 790 / 989
_FULL_RATE_RATIO = 3
_HALF_PRECISION = ("amp", "amp-fp16", "bf16", "fp16")


@dataclass(frozen=True, slots=True)
class RateBasis:
    """Coefficients of a prediction, the factor between it and the ends of its 90% interval, and how that is known.

    `lacking` names what no table has of the run, for which the interval is wider.
    """

    coefficients: Mapping[str, float]
    factor: float
    known: str
    lacking: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """How the interval is known, as a phrase."""
        *names, last = self.lacking or ("",)
        listed = f"{', '.join(names)} and {last}" if names else last
        return f"{self.known}; wider: no rates of {listed}" if listed else self.known


def given_basis(efficiency: float) -> RateBasis:
    """Return the basis of a plain roofline in which all products reach a given part of the peak; without interval."""
    return RateBasis(plain_coefficients(efficiency), 1.0, f"efficiency {efficiency:g} as given, without an interval")


def rate_basis(device: Device, *, mode: str, dtype: str, layout: Layout, is_compiled: bool) -> RateBasis:
    """Return what a prediction for a device rests on.

    `mode` is `"eval"` or `"train"`, `dtype` the name of a precision in `archbench.precision`. Published training ran
    attention as separate products, so for fused attention the coefficients are those of inference.
    """
    basis = _basis(device, mode=mode, dtype=dtype, layout=layout, is_compiled=is_compiled)
    if mode == "eval":
        return basis
    inference = _basis(device, mode="eval", dtype=dtype, layout=layout, is_compiled=is_compiled).coefficients
    attention = {name: inference[name] for name in ("attention", "masked_attention")}
    return replace(basis, coefficients={**basis.coefficients, **attention})


def _basis(device: Device, *, mode: str, dtype: str, layout: Layout, is_compiled: bool) -> RateBasis:
    """Return what a prediction for a device rests on, by the tables of its mode, form and layout."""
    tables = [table for table in rate_tables() if published_devices()[table.device].kind == device.kind]
    tables = [table for table in tables if table.mode == mode] or tables
    wider = _differences(tables, mode=mode, dtype=dtype, is_compiled=is_compiled, is_cpu=device.kind == "cpu")
    similar = _most_similar(tables, layout=layout, is_compiled=is_compiled)
    own = [table for table in similar if table.device == device.name]
    if own:
        table = own[-1]
        known = intervals()[table.name]
        source = f"90% interval from {known.models:,} models of {known.families} families on this device"
        source += f", torch {table.torch}" if mode == "train" else ""
        return widened(RateBasis(completed(fitted_coefficients()[table.name]), known.factor, source), wider)
    other = table_of_another_form(device.name, tables, similar)
    if other is not None:
        coefficients = transferred(similar, other, tables, fitted_coefficients())
        run = "compiled" if is_compiled else layout
        source = f"no {run} rates of this device: 90% interval from other devices and its {other.layout} rates"
        return widened(RateBasis(coefficients, intervals()["other forms"].factor, source), wider)
    coefficients = _on(device, mean_over_devices(similar, fitted_coefficients()))
    return widened(RateBasis(coefficients, *_of_other_devices(device, similar, mode)), wider)


def _most_similar(tables: Sequence[RateTable], *, layout: Layout, is_compiled: bool) -> list[RateTable]:
    """Return the tables of the same form; compiled, the layout is changed once for the whole model.

    Without compiled tables those in NCHW resemble it more: in NHWC old kernels for grouped convolutions were slow.
    """
    form = [table for table in tables if table.is_compiled == is_compiled]
    if is_compiled and not form:
        layout = "nchw"
    form = form or list(tables)
    return [table for table in form if table.is_compiled or table.layout == layout] or form


def _differences(
    tables: Sequence[RateTable], *, mode: str, dtype: str, is_compiled: bool, is_cpu: bool
) -> dict[str, float]:
    """Return what no table has of the run, with the factors that widen its interval."""
    different = {}
    if mode not in {table.mode for table in tables}:
        different["training" if mode == "train" else "inference"] = _ASSUMED["mode"]
    if is_compiled not in {table.is_compiled for table in tables}:
        different["compiled runs" if is_compiled else "eager runs"] = _ASSUMED["mode"]
    known = ("fp32",) if is_cpu else _HALF_PRECISION
    if dtype not in known:
        different[dtype] = _ASSUMED["dtype"]
    return different


def _of_other_devices(device: Device, tables: Sequence[RateTable], mode: str) -> tuple[float, str]:
    """Return the factor for a device without rates of its own, and how it is known."""
    if device.kind == "cpu":
        known = intervals()[tables[-1].name]
        return joined(known.factor, _ASSUMED["cpu"]), "no rates of this CPU: interval from another one"
    factor = max(intervals()[table.name].factor for table in tables)
    others = intervals()["other devices"].factor
    factor = max(others, joined(factor, others) if tables[0].mode == "train" else factor)
    has_rates = any(table.device == device.name for table in rate_tables())
    rates = "training rates" if has_rates and mode == "train" else "rates"
    source = f"no {rates} of this device: 90% interval from other devices"
    if device.is_data_center:
        return max(_OTHER_KIND, factor), f"{source}, widened for a data-center card"
    if "GeForce RTX" not in device.title:
        return max(_OTHER_KIND, factor), f"{source}, widened for a GPU of another kind"
    return factor, source


def _on(device: Device, coefficients: Mapping[str, float]) -> dict[str, float]:
    """Return mean coefficients as they hold for a device without rates of its own."""
    if device.is_measured:
        return _relative(device, coefficients)
    half, single = (device.peak_flop_per_s.get(dtype, 0.0) for dtype in ("fp16", "fp32"))
    is_full_rate = half > _FULL_RATE_RATIO * single and "GeForce" not in device.title
    return dict(coefficients) | ({"tensor_cores": _FULL_RATE} if is_full_rate else {})


def corrected(basis: RateBasis, ratio: float, models: int) -> RateBasis:
    """Return a basis for a device on which models ran at `ratio` times the predicted rate."""
    slower = _scaled(basis.coefficients, ratio)
    bandwidths = {name: value * ratio for name, value in basis.coefficients.items() if name.endswith("_bytes")}
    coefficients = {**slower, **bandwidths, "launch_s": basis.coefficients["launch_s"] / ratio}
    known = f"{basis.known}; corrected by {models} rates measured here"
    return replace(basis, coefficients=coefficients, known=known)


def _relative(device: Device, coefficients: Mapping[str, float]) -> dict[str, float]:
    """Return coefficients relative to what was measured: large products and copies, and convolutions where they were.

    The peak of a kind is then the measured rate that `archbench.analyze.performance.roofline` takes for it.
    """
    measured = {"product": True, "convolution": device.convolution_flop_per_s, "depthwise": device.depthwise_flop_per_s}
    relative = dict(coefficients)
    for kind in PRODUCT_KINDS:
        reference = measured_kind(kind)
        relative[kind] /= coefficients[reference if measured[reference] else "product"]
    bandwidth = coefficients["pointwise_bytes"]
    return relative | {name: value / bandwidth for name, value in coefficients.items() if name.endswith("_bytes")}


def _scaled(coefficients: Mapping[str, float], factor: float) -> dict[str, float]:
    """Return coefficients with the efficiencies of all products multiplied by a factor."""
    kept = ("half_", "unaligned", "launch_s", "sharpness", "tensor_cores")
    return {
        name: value if name.startswith(kept) or name.endswith("_bytes") else value * factor
        for name, value in coefficients.items()
    }


def joined(*factors: float) -> float:
    """Return the factor of several independent errors: the logarithms add as squares."""
    return exp(hypot(*map(log, factors)))


def widened(basis: RateBasis, wider: Mapping[str, float]) -> RateBasis:
    """Return a basis whose interval is wider by factors, for what no table has of the run, by its name."""
    factor = joined(basis.factor, *wider.values())
    return replace(basis, factor=factor, lacking=(*basis.lacking, *wider)) if wider else basis
