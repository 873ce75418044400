"""Measure what this machine's devices reach: a large copy, and a large matrix product in each dtype.

By the rules of measurement: random values, warmed up, blocks long enough for the clock, the median of them. A ceiling
is what was reached here; a whole step stays below it.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Literal

import torch

from archbench.hardware.device import Device
from archbench.host.cpu import cpu_name

_BLOCKS = 7
_COPY_BYTES = {"cpu": 2**28, "cuda": 2**31, "mps": 2**29}
# Sizes of square matrices: from the first, doubled until a product takes as long as a block or is of the last.
_PRODUCT_SIZES = {"cpu": (256, 2048), "cuda": (1024, 8192), "mps": (512, 4096)}
_BLOCK_S = {"cpu": 0.1, "cuda": 0.05, "mps": 0.05}
# By the names of devices' peaks; half precision on a CPU is measured too, for it may be slower than full.
_DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

Kind = Literal["cpu", "cuda", "mps"]


def measure_devices(threads: int) -> Iterator[Device]:
    """Yield each of this machine's devices as it is measured, under the name `this_cpu`, `this_cuda` or `this_mps`.

    The CPU is measured with so many threads.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        cpu = _measure("cpu")
    finally:
        torch.set_num_threads(before)
    yield cpu
    if torch.cuda.is_available():
        yield _measure("cuda")
    if torch.backends.mps.is_available():
        yield _measure("mps")


def title_here(kind: str) -> str:
    """Return what this machine's device of a kind is called, as its measured ceilings are titled."""
    if kind == "cuda":
        return torch.cuda.get_device_name()
    if kind == "mps":
        return f"Apple {platform.processor()}"
    return f"{cpu_name()}, {os.cpu_count()} logical cores"


def _measure(kind: Kind) -> Device:
    copy_bytes = _COPY_BYTES[kind]
    dtypes = [name for name in _DTYPES if name != "tf32" or kind == "cuda"]
    said = f"measured on {datetime.now(UTC):%Y-%m-%d} with torch {torch.__version__}"
    threads = torch.get_num_threads() if kind == "cpu" else None
    how = said if threads is None else f"{said}, {threads} threads"
    return Device(
        name=f"this_{kind}",
        title=title_here(kind),
        year=datetime.now(UTC).year,
        memory_bytes=_memory_bytes(kind),
        bandwidth_bytes_per_s=_copy_rate(kind, copy_bytes),
        peak_flop_per_s={name: _product_rate(kind, name) for name in dtypes},
        kind="cpu" if kind == "cpu" else "gpu",
        compute_capability=_capability() if kind == "cuda" else None,
        is_measured=True,
        threads=threads,
        sources={
            "bandwidth_gb_per_s": f"copy of {copy_bytes} bytes, {how}",
            "peak_tflop_per_s": f"product of square matrices of up to {_PRODUCT_SIZES[kind][1]}, {how}",
        },
    )


def _copy_rate(kind: Kind, size_bytes: int) -> float:
    """Return bytes per second, read and written."""
    source = torch.randn(size_bytes // 4, device=kind)
    target = torch.empty_like(source)
    return 2 * size_bytes / _time_s(kind, lambda: target.copy_(source))


def _product_rate(kind: Kind, name: str) -> float:
    """Return FLOPs per second, 2 a MAC."""
    allowed = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
    size, largest = _PRODUCT_SIZES[kind]
    try:
        product = _product(kind, size, name)
        while size < largest and _block_s(kind, product, 1) < _BLOCK_S[kind]:
            size *= 2
            product = _product(kind, size, name)
        return 2 * size**3 / _time_s(kind, product)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = allowed


def _product(kind: Kind, size: int, name: str) -> Callable[[], object]:
    """Return a product of random matrices that has run once."""
    a, b = (torch.randn(size, size, device=kind).to(_DTYPES[name]) for _ in range(2))
    out = torch.empty_like(a)
    torch.mm(a, b, out=out)
    return lambda: torch.mm(a, b, out=out)


def _time_s(kind: Kind, job: Callable[[], object]) -> float:
    """Return the median time of one call, from blocks of as many as the clock needs."""
    job()
    calls = max(1, round(_BLOCK_S[kind] / _block_s(kind, job, 1)))
    return statistics.median(_block_s(kind, job, calls) for _ in range(_BLOCKS)) / calls


def _block_s(kind: Kind, job: Callable[[], object], calls: int) -> float:
    _wait(kind)
    start = time.perf_counter_ns()
    for _ in range(calls):
        job()
    _wait(kind)
    return (time.perf_counter_ns() - start) / 1e9


def _wait(kind: Kind) -> None:
    if kind == "cuda":
        torch.cuda.synchronize()
    elif kind == "mps":
        torch.mps.synchronize()


def _memory_bytes(kind: Kind) -> int:
    if kind == "cuda":
        return torch.cuda.get_device_properties(0).total_memory
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _capability() -> float:
    major, minor = torch.cuda.get_device_capability()
    return float(f"{major}.{minor}")
