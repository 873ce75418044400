"""The kernels of the models whose rates are published, packed so that one trace serves every batch.

A trace is made with `BATCH` samples, a prime: bytes or FLOPs that it divides grow with the batch, others do not.
Kernels that only move data are summed by the kind of access, equal products are one row with their number, so the times
of a batch are the same as those of its own trace.
"""

from __future__ import annotations

import io
import lzma
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from archbench.analyze.performance.kernel_table import MEMORY_KINDS, PRODUCT_KINDS, KernelTable
from archbench.analyze.performance.kernels import HALF, Kernel

BATCH = 131
FOLDER = Path(__file__).parent / "rates"
FEATURES = FOLDER / "features.csv.xz"

# `fixed` bytes do not depend on the batch, those a `sample` grow with it. `count` products are equal.
COLUMNS = (
    "product", "memory", "depth", "columns", "is_aligned", "is_half", "fixed_flops", "sample_flops", "fixed_bytes",
    "sample_bytes", "weight_bytes", "launches", "count",
)  # fmt: skip


def feature_rows(kernels: Iterable[Kernel]) -> list[tuple[int, ...]]:
    """Return one row of `COLUMNS` per distinct product and kind of access."""
    products: Counter[tuple[int, ...]] = Counter()
    moved: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for kernel in kernels:
        memory, product = MEMORY_KINDS.index(kernel.memory), kernel.product
        fixed, per_sample = _split(kernel.moved)
        if product is None:
            moved[memory] = [a + b for a, b in zip(moved[memory], (fixed, per_sample, kernel.launches), strict=True)]
            continue
        kind, sizes = PRODUCT_KINDS.index(product.kind), (product.depth, product.columns)
        flops = (0, round(kernel.flops / BATCH))
        key = (kind, memory, *sizes, int(product.is_aligned), int(product.dtype in HALF), *flops, fixed, per_sample)
        products[*key, kernel.weight_bytes, kernel.launches] += 1
    rows = [(*key, count) for key, count in products.items()]
    return rows + [(-1, memory, 1, 1, 1, 1, 0, 0, *sums[:2], 0, sums[2], 1) for memory, sums in moved.items()]


def _split(sizes: Iterable[int]) -> tuple[int, int]:
    """Return the bytes that do not depend on the batch, and those of a sample."""
    growing = sum(size for size in sizes if size % BATCH == 0)
    return sum(sizes) - growing, growing // BATCH


def pack(features: dict[str, list[tuple[int, ...]]]) -> bytes:
    """Return the packed table of all traces, by their names."""
    rows = [(name, *row) for name in sorted(features) for row in features[name]]
    text = io.StringIO()
    pd.DataFrame(rows, columns=["trace", *COLUMNS]).to_csv(text, index=False, lineterminator="\n")
    return lzma.compress(text.getvalue().encode(), preset=9 | lzma.PRESET_EXTREME)


def unpack() -> dict[str, np.ndarray[Any, Any]]:
    """Return the committed features: an array with `COLUMNS` for each trace."""
    table = pd.read_csv(FEATURES)
    return {str(name): rows[list(COLUMNS)].to_numpy(float) for name, rows in table.groupby("trace", sort=False)}


def kernel_tables(
    features: dict[str, np.ndarray[Any, Any]],
    runs: Iterable[tuple[str, int]],
    peak: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]],
) -> tuple[KernelTable, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the kernels of several runs, each a trace and its batch, with the number of equal ones and their run.

    `peak` returns the peak of products in FLOP/s by whether they are in half precision.
    """
    parts = list(_numbered(features, runs))
    rows = np.concatenate([part for part, _ in parts])
    run = np.concatenate([np.full(len(part), i) for i, (part, _) in enumerate(parts)])
    batch = np.concatenate([np.full(len(part), float(size)) for part, size in parts])
    column = dict(zip(COLUMNS, rows.T, strict=True))
    table = KernelTable(
        product=column["product"].astype(np.int64),
        memory=column["memory"].astype(np.int64),
        depth=column["depth"],
        columns=column["columns"],
        is_aligned=column["is_aligned"],
        flops=column["fixed_flops"] + column["sample_flops"] * batch,
        moved_bytes=column["fixed_bytes"] + column["sample_bytes"] * batch,
        weight_bytes=column["weight_bytes"],
        launches=column["launches"],
        peak=peak(column["is_half"] > 0),
    )
    return table, column["count"], run


def _numbered(
    features: dict[str, np.ndarray[Any, Any]], runs: Iterable[tuple[str, int]]
) -> Iterator[tuple[np.ndarray[Any, Any], int]]:
    return ((features[name], batch) for name, batch in runs)
