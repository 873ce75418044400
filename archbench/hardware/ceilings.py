"""Measure the ceilings of this machine's devices: a large copy, and a matrix product and convolutions in each dtype.

A convolution has ceilings of its own: a CPU's library may run it faster than a matrix product. Random values, a warm-up
call, blocks of calls long enough for the clock, and their median. A training step or a forward pass stays below these
ceilings.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Literal

import torch
from torch.nn.functional import conv2d

from archbench.hardware.catalogue import published_device
from archbench.hardware.device import Device
from archbench.host.cpu import cpu_name

_BLOCKS = 7
_COPY_BYTES = {"cpu": 2**28, "cuda": 2**31, "mps": 2**29}
# Sizes of square matrices: from the first, doubled until one product takes as long as a block, up to the last.
_PRODUCT_SIZES = {"cpu": (256, 2048), "cuda": (1024, 8192), "mps": (512, 4096)}
_BLOCK_S = {"cpu": 0.1, "cuda": 0.05, "mps": 0.05}
# Half precision is measured on a CPU too, where it may be slower than fp32.
_DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

DeviceType = Literal["cpu", "cuda", "mps"]
Call = Callable[[], object]


@dataclass(frozen=True, slots=True)
class _Convolution:
    """A convolution that keeps channels and resolution; batches are doubled as sizes of matrices are."""

    size: int
    channels: int
    resolution: int
    groups: int
    batches: Mapping[str, tuple[int, int]]

    @property
    def flop_per_image(self) -> int:
        return 2 * self.size**2 * self.channels**2 // self.groups * self.resolution**2

    def __str__(self) -> str:
        groups = f" in {self.groups} groups" if self.groups > 1 else ""
        size, resolution = (f"{length}x{length}" for length in (self.size, self.resolution))
        return f"{size} convolution of {self.channels} channels{groups} at {resolution}"


# As in the middle of ResNet-18 and of ConvNeXt; a depthwise convolution of 3x3 would be limited by memory.
_DENSE = _Convolution(3, 256, 14, 1, {"cpu": (1, 64), "cuda": (64, 2048), "mps": (16, 512)})
_DEPTHWISE = _Convolution(7, 128, 56, 128, {"cpu": (1, 8), "cuda": (16, 256), "mps": (4, 64)})


def measure_devices(threads: int) -> Iterator[Device]:
    """Yield this machine's devices as they are measured, named `this_cpu`, `this_cuda` and `this_mps`.

    The CPU is measured with `threads` threads.
    """
    yield measure_device("cpu", threads)
    if torch.cuda.is_available():
        yield measure_device("cuda")
    if torch.backends.mps.is_available():
        yield measure_device("mps")


def measure_device(device_type: DeviceType, threads: int | None = None) -> Device:
    """Return one of this machine's devices with its measured ceilings; `threads` are a CPU's, torch's by default."""
    previous = torch.get_num_threads()
    torch.set_num_threads(threads or previous)
    try:
        return _measure(device_type)
    finally:
        torch.set_num_threads(previous)
        if device_type != "cpu":
            getattr(torch, device_type).empty_cache()  # other processes can have the memory


def title_here(device_type: str) -> str:
    """Return the title of this machine's device of a type, under which its measured ceilings are stored."""
    if device_type == "cuda":
        return torch.cuda.get_device_name()
    if device_type == "mps":
        return f"Apple {platform.processor()}"
    return f"{cpu_name()}, {os.cpu_count()} logical cores"


def _measure(device_type: DeviceType) -> Device:
    copy_bytes = _COPY_BYTES[device_type]
    dtypes = [name for name in _DTYPES if name != "tf32" or device_type == "cuda"]
    origin = f"measured on {datetime.now(UTC):%Y-%m-%d} with torch {torch.__version__}"
    threads = torch.get_num_threads() if device_type == "cpu" else None
    if threads is not None:
        origin += f", {threads} threads"
    title = title_here(device_type)
    published = published_device(title)
    return Device(
        name=f"this_{device_type}",
        title=title,
        year=datetime.now(UTC).year,
        memory_bytes=_memory_bytes(device_type),
        bandwidth_bytes_per_s=_copy_rate(device_type, copy_bytes),
        peak_flop_per_s={name: _product_rate(device_type, name) for name in dtypes},
        kind="cpu" if device_type == "cpu" else "gpu",
        compute_capability=_capability() if device_type == "cuda" else None,
        is_data_center=published is not None and published.is_data_center,
        is_measured=True,
        threads=threads,
        sources={
            "bandwidth_gb_per_s": f"copy of {copy_bytes} bytes, {origin}",
            "peak_tflop_per_s": f"product of square matrices of up to {_PRODUCT_SIZES[device_type][1]}, {origin}",
            "convolution_tflop_per_s": f"{_DENSE}, {origin}",
            "depthwise_tflop_per_s": f"{_DEPTHWISE}, {origin}",
        },
        convolution_flop_per_s={name: _convolution_rate(device_type, name, _DENSE) for name in dtypes},
        depthwise_flop_per_s={name: _convolution_rate(device_type, name, _DEPTHWISE) for name in dtypes},
    )


def _copy_rate(device_type: DeviceType, size_bytes: int) -> float:
    """Return bytes read and written per second."""
    source = torch.randn(size_bytes // 4, device=device_type)
    target = torch.empty_like(source)
    return 2 * size_bytes / _time_s(device_type, lambda: target.copy_(source))


def _product_rate(device_type: DeviceType, name: str) -> float:
    """Return FLOPs per second, 2 per MAC."""
    with _tf32(name == "tf32"):
        size, product = _grown(device_type, _PRODUCT_SIZES[device_type], partial(_product, device_type, name))
        return 2 * size**3 / _time_s(device_type, product)


def _product(device_type: DeviceType, name: str, size: int) -> Call:
    """Return a call that multiplies random matrices."""
    a, b = (torch.randn(size, size, device=device_type).to(_DTYPES[name]) for _ in range(2))
    out = torch.empty_like(a)
    return lambda: torch.mm(a, b, out=out)


def _convolution_rate(device_type: DeviceType, name: str, kind: _Convolution) -> float:
    """Return FLOPs per second, 2 per MAC, in the faster of both layouts, which a single block decides."""

    def grown(layout: torch.memory_format) -> tuple[int, Call]:
        make = partial(_convolution, device_type, name, kind, layout)
        return _grown(device_type, kind.batches[device_type], make)

    with _tf32(name == "tf32"):
        candidates = [grown(layout) for layout in (torch.contiguous_format, torch.channels_last)]
        batch, call = max(candidates, key=lambda each: each[0] / _block_s(device_type, each[1], 1))
        return kind.flop_per_image * batch / _time_s(device_type, call)


def _convolution(
    device_type: DeviceType, name: str, kind: _Convolution, layout: torch.memory_format, batch: int
) -> Call:
    """Return a call that convolves random images."""

    def random(*sizes: int) -> torch.Tensor:
        return torch.randn(sizes, device=device_type).to(_DTYPES[name], memory_format=layout)

    images = random(batch, kind.channels, kind.resolution, kind.resolution)
    weights = random(kind.channels, kind.channels // kind.groups, kind.size, kind.size)
    return lambda: conv2d(images, weights, padding=kind.size // 2, groups=kind.groups)


@contextmanager
def _tf32(is_allowed: bool) -> Iterator[None]:
    """Allow TF32 or not within a block, where cuDNN also searches for the fastest algorithm."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark
    matmul.allow_tf32 = cudnn.allow_tf32 = is_allowed
    cudnn.benchmark = True
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = before


def _grown(device_type: DeviceType, sizes: tuple[int, int], make: Callable[[int], Call]) -> tuple[int, Call]:
    """Return a size, doubled from the first until one call takes as long as a block or it is the last, and its call."""
    size, largest = sizes
    call = make(size)
    call()
    while size < largest and _block_s(device_type, call, 1) < _BLOCK_S[device_type]:
        size *= 2
        call = make(size)
        call()
    return size, call


def _time_s(device_type: DeviceType, function: Call) -> float:
    """Return the median time of one call, over blocks of as many calls as the clock needs."""
    function()
    calls = max(1, round(_BLOCK_S[device_type] / _block_s(device_type, function, 1)))
    return statistics.median(_block_s(device_type, function, calls) for _ in range(_BLOCKS)) / calls


def _block_s(device_type: DeviceType, function: Call, calls: int) -> float:
    _wait(device_type)
    start = time.perf_counter_ns()
    for _ in range(calls):
        function()
    _wait(device_type)
    return (time.perf_counter_ns() - start) / 1e9


def _wait(device_type: DeviceType) -> None:
    if device_type == "cuda":
        torch.cuda.synchronize()
    elif device_type == "mps":
        torch.mps.synchronize()


def _memory_bytes(device_type: DeviceType) -> int:
    if device_type == "cuda":
        return torch.cuda.get_device_properties(0).total_memory
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _capability() -> float:
    major, minor = torch.cuda.get_device_capability()
    return float(f"{major}.{minor}")
