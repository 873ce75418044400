"""Kernels as columns, and the time that a device takes for each.

    time = (arithmetic^n + memory^n)^(1/n) + launch, with n = 3
    arithmetic = FLOPs / (efficiency * peak) * (1 + half_depth / depth) * (1 + half_columns / columns)
    memory = bytes / (part * bandwidth)

The efficiency is that of the product's kind, the part that of the kind of access; see
`archbench.hardware.fit.coefficients`. The sum of powers is a smooth maximum: where one of the two hardly matters, this
is the roofline (Williams, Waterman, Patterson 2009). Grouped convolutions have a column term of their own and no depth
term; depthwise ones, stems and attention have neither. A prediction and the fit of the coefficients use these same
functions. Weights have a part of their own; on CPUs, which reorder the filters of convolutions for each call, large
filters have another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from archbench.analyze.performance.kernels import REORDERED, Kernel, MemoryKind
from archbench.analyze.performance.products import FILTERS, ProductKind

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PRODUCT_KINDS: tuple[ProductKind, ...] = get_args(ProductKind)
MEMORY_KINDS: tuple[MemoryKind, ...] = get_args(MemoryKind)

_TILED = np.array([kind in ("convolution", "product", "convolution_backward") for kind in PRODUCT_KINDS] + [False])
_FILTERS = np.array([kind in FILTERS for kind in PRODUCT_KINDS] + [False])
# The caches of CPUs hold smaller filters.
_CACHE_BYTES = 16e6
_GROUPED = np.array(["grouped" in kind for kind in PRODUCT_KINDS] + [False])


@dataclass(frozen=True, slots=True)
class KernelTable:
    """Kernels as columns of equal length.

    `product` and `memory` are indices of `PRODUCT_KINDS` (-1 without a product) and of `MEMORY_KINDS`; `is_aligned` is
    0 or 1. `peak` is the peak in FLOP/s of the product's dtype. `moved_bytes` leaves out the weights of products.
    """

    product: Integers
    memory: Integers
    depth: Floats
    columns: Floats
    is_aligned: Floats
    flops: Floats
    moved_bytes: Floats
    weight_bytes: Floats
    launches: Floats
    peak: Floats


@dataclass(frozen=True, slots=True)
class KernelTimes:
    """Seconds of each kernel: of its arithmetic alone, of its memory traffic alone, of its launches, and in all."""

    compute_s: Floats
    memory_s: Floats
    launch_s: Floats
    total_s: Floats


def kernel_table(kernels: Iterable[Kernel], peak: Callable[[Kernel], float]) -> KernelTable:
    """Return kernels as columns; `peak` returns the peak of a kernel's product in FLOP/s."""
    rows = [_row(kernel, peak) for kernel in kernels]
    columns = np.array(rows, dtype=np.float64).reshape(len(rows), 10).T
    return KernelTable(columns[0].astype(np.int64), columns[1].astype(np.int64), *columns[2:])


def _row(kernel: Kernel, peak: Callable[[Kernel], float]) -> tuple[float, ...]:
    product, memory = kernel.product, MEMORY_KINDS.index(kernel.memory)
    moved = (sum(kernel.moved), kernel.weight_bytes, kernel.launches)
    if product is None:
        return (-1, memory, 1, 1, 1, 0, *moved, 1)
    kind = PRODUCT_KINDS.index(product.kind)
    return (kind, memory, product.depth, product.columns, product.is_aligned, kernel.flops, *moved, peak(kernel))


def kernel_times(table: KernelTable, coefficients: Mapping[str, float], bandwidth: float) -> KernelTimes:
    """Return the time of each kernel; `bandwidth` is the device's in bytes per second."""
    efficiency = np.array([*(coefficients[kind] for kind in PRODUCT_KINDS), 1.0])[table.product]
    compute_s = table.flops / (efficiency * table.peak) * _slowdown(table, coefficients)
    part = np.array([coefficients[f"{kind}_bytes"] for kind in MEMORY_KINDS])[table.memory]
    memory_s = (table.moved_bytes / part + table.weight_bytes / _weights_part(table, coefficients)) / bandwidth
    launch_s = table.launches * coefficients["launch_s"]
    longer, shorter = np.maximum(compute_s, memory_s), np.minimum(compute_s, memory_s)
    ratio = np.divide(shorter, longer, out=np.zeros_like(longer), where=longer > 0)
    power = coefficients["sharpness"]
    return KernelTimes(compute_s, memory_s, launch_s, longer * (1 + ratio**power) ** (1 / power) + launch_s)


def _weights_part(table: KernelTable, coefficients: Mapping[str, float]) -> Floats:
    """Return the part of the bandwidth at which the weights of each product are moved."""
    is_large = _FILTERS[table.product] & (table.weight_bytes > REORDERED * _CACHE_BYTES)
    return np.where(is_large, coefficients["filter_bytes"], coefficients["weight_bytes"])


def _slowdown(table: KernelTable, coefficients: Mapping[str, float]) -> Floats:
    """Return how much longer each product takes for its size and alignment."""
    columns = np.where(_GROUPED[table.product], coefficients["half_group_columns"], coefficients["half_columns"])
    has_columns = _TILED[table.product] | _GROUPED[table.product]
    by_columns = np.where(has_columns, 1 + columns / table.columns, 1.0)
    by_depth = np.where(_TILED[table.product], 1 + coefficients["half_depth"] / table.depth, 1.0)
    by_alignment = np.where(table.is_aligned > 0, 1.0, coefficients["unaligned"])
    slowdown: Floats = by_columns * by_depth * by_alignment
    return slowdown
