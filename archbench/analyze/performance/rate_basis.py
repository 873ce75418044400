"""What a predicted rate rests on: coefficients, the factor of its 90% interval, and how that is known.

A device with a table of published rates for the mode, form (eager or compiled) and layout of a run has coefficients and
an interval of its own. Another one gets the geometric means over the devices with such a table, and the interval of
devices left out of the fit. If it has rates of another form or layout, the means are multiplied by how much its
coefficients differ there from those of the same devices, and the interval is that of such predictions. Neither interval
is narrower than those of the devices that have such rates. If no device has rates for the mode, dtype or form, the
interval is widened: the squares of the logarithms of the factors are added, as for independent errors. The factors in
`_ASSUMED` and `_OTHER_KIND` are assumptions; the others were found on published rates, which for GPUs are those of
GeForce RTX cards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, hypot, log

from archbench.analyze.performance.kernel_table import PRODUCT_KINDS
from archbench.analyze.performance.kernels import Layout
from archbench.analyze.performance.products import measured_kind
from archbench.analyze.performance.rate_evidence import Card, Evidence
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
HALF_PRECISION = ("amp", "amp-fp16", "bf16", "fp16")


@dataclass(frozen=True, slots=True)
class RateBasis:
    """Coefficients of a prediction, the factor between it and the ends of its 90% interval, and how that is known.

    Without an interval the factor is None.
    """

    coefficients: Mapping[str, float]
    factor: float | None
    evidence: Evidence


def given_basis(efficiency: float) -> RateBasis:
    """Return the basis of a plain roofline in which all products reach a given part of the peak; without interval."""
    return RateBasis(plain_coefficients(efficiency), None, Evidence("efficiency", efficiency=efficiency))


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
    similar = _most_similar(tables, layout=layout, is_compiled=is_compiled)
    basis = (
        _by_own_rates(device, similar)
        or _by_another_form(device, similar, tables, "compiled" if is_compiled else layout)
        or _by_other_devices(device, similar, mode)
    )
    return widened(
        basis, _differences(tables, mode=mode, dtype=dtype, is_compiled=is_compiled, is_cpu=device.kind == "cpu")
    )


def _by_own_rates(device: Device, similar: Sequence[RateTable]) -> RateBasis | None:
    """Return the basis of a device that has rates such as those to predict, None for another one."""
    own = [table for table in similar if table.device == device.name]
    if not own:
        return None
    table, known = own[-1], intervals()[own[-1].name]
    torch = table.torch if table.mode == "train" else ""
    evidence = Evidence("own rates", models=known.models, families=known.families, torch=torch)
    return RateBasis(completed(fitted_coefficients()[table.name]), known.factor, evidence)


def _by_another_form(
    device: Device, similar: Sequence[RateTable], tables: Sequence[RateTable], lacking: str
) -> RateBasis | None:
    """Return the basis of a device that has rates of another form or layout, None for another one.

    Its interval is at least as wide as those of the devices that have rates such as those to predict.
    """
    other = table_of_another_form(device.name, tables, similar)
    if other is None:
        return None
    factor = max(intervals()["other forms"].factor, _largest_factor(similar))
    evidence = Evidence("own rates of another form", lacking=lacking, layout=other.layout)
    return RateBasis(transferred(similar, other, tables, fitted_coefficients()), factor, evidence)


def _by_other_devices(device: Device, similar: Sequence[RateTable], mode: str) -> RateBasis:
    """Return the basis of a device without rates that could serve."""
    coefficients = _on(device, mean_over_devices(similar, fitted_coefficients()))
    largest, others = _largest_factor(similar), intervals()["other devices"].factor
    if device.kind == "cpu":
        return RateBasis(coefficients, joined(largest, _ASSUMED["cpu"]), Evidence("another CPU"))
    factor = max(others, joined(largest, others) if similar[0].mode == "train" else largest)
    has_rates = any(table.device == device.name for table in rate_tables())
    lacking, card = "training" if has_rates and mode == "train" else "", _card(device)
    evidence = Evidence("other devices", lacking=lacking, card=card)
    return RateBasis(coefficients, factor if card is None else max(_OTHER_KIND, factor), evidence)


def _largest_factor(tables: Sequence[RateTable]) -> float:
    return max(intervals()[table.name].factor for table in tables)


def _card(device: Device) -> Card | None:
    """Return the kind of a GPU other than GeForce RTX, which alone have published rates."""
    if device.is_data_center:
        return "data-center card"
    return None if "GeForce RTX" in device.title else "GPU of another kind"


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
    known = ("fp32",) if is_cpu else HALF_PRECISION
    if dtype not in known:
        different[dtype] = _ASSUMED["dtype"]
    return different


def _on(device: Device, coefficients: Mapping[str, float]) -> dict[str, float]:
    """Return mean coefficients as they hold for a device without rates of its own."""
    if device.is_measured:
        return _relative(device, coefficients)
    half, single = (device.peak_flop_per_s.get(dtype, 0.0) for dtype in ("fp16", "fp32"))
    is_full_rate = half > _FULL_RATE_RATIO * single and "GeForce" not in device.title
    return dict(coefficients) | ({"tensor_cores": _FULL_RATE} if is_full_rate else {})


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


def joined(*factors: float) -> float:
    """Return the factor of several independent errors: the logarithms add as squares."""
    return exp(hypot(*map(log, factors)))


def widened(basis: RateBasis, unseen: Mapping[str, float], rare: Mapping[str, float] | None = None) -> RateBasis:
    """Return a basis with the factors of what no rates show of a run, or few, joined to its own."""
    rare = rare or {}
    if basis.factor is None or not (unseen or rare):
        return basis
    known = basis.evidence
    evidence = replace(known, unseen=(*known.unseen, *unseen), rare=(*known.rare, *rare))
    return replace(basis, factor=joined(basis.factor, *unseen.values(), *rare.values()), evidence=evidence)
