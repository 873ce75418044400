"""A device and its ceilings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from archbench.errors import DeviceError, nearest

_DRIVER_BYTES = 2**29  # half a GiB, which a GPU's driver takes for its context


@dataclass(frozen=True, slots=True)
class MeasuredRate:
    """The rate of a model that was measured on a device: eager, with random weights and the model's usual input.

    `model` is an address, such as `torchvision:resnet18`; the rate is the median of blocks of steps.
    """

    model: str
    mode: Literal["eval", "train"]
    dtype: str
    layout: Literal["nchw", "nhwc"]
    batch: int
    images_per_s: float


@dataclass(frozen=True, slots=True)
class Device:
    """A device's ceilings in base units.

    `peak_flop_per_s` maps a dtype to the rate of dense matrix products, 2 FLOPs per MAC. `interconnect_bytes_per_s` is
    one direction of the fastest link to the other devices of a host, or None; `interconnect` is its name. A host holds
    up to `host_devices`. `network_bytes_per_s` is one direction of the InfiniBand adapter that each device has in the
    maker's systems, None without one. `sources` maps each figure to its source.
    `is_data_center` marks cards made for servers: with HBM, or cooled by the server.
    `is_measured` marks ceilings reached on this machine rather than published ones; a CPU's were reached with
    `threads` threads (None: not recorded, all cores).

    `convolution_flop_per_s` and `depthwise_flop_per_s` map a dtype to the rate of large convolutions, dense 3x3 and
    depthwise 7x7, 2 FLOPs per MAC. They and `measured_rates`, rates of whole models, are empty unless measured.
    """

    name: str
    title: str
    year: int
    memory_bytes: int
    bandwidth_bytes_per_s: float
    peak_flop_per_s: Mapping[str, float]
    kind: Literal["gpu", "cpu"] = "gpu"
    interconnect_bytes_per_s: float | None = None
    interconnect: str = "PCIe"
    network_bytes_per_s: float | None = None
    host_devices: int = 8
    power_w: float | None = None
    compute_capability: float | None = None
    is_data_center: bool = False
    is_measured: bool = False
    threads: int | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    convolution_flop_per_s: Mapping[str, float] = field(default_factory=dict)
    depthwise_flop_per_s: Mapping[str, float] = field(default_factory=dict)
    measured_rates: tuple[MeasuredRate, ...] = ()

    @property
    def free_bytes(self) -> int:
        """The memory available to a program: all but what a GPU's driver takes."""
        return self.memory_bytes - (_DRIVER_BYTES if self.kind == "gpu" else 0)

    def peak(self, dtype: str) -> float:
        """Return the peak rate in FLOP/s. Raises DeviceError for a dtype without a known rate."""
        if dtype not in self.peak_flop_per_s:
            # Models do not run in 8 bits here; those rates are for the reader.
            known = [name for name in self.peak_flop_per_s if name not in ("fp8", "int8")]
            hint = "" if dtype == "fp64" else nearest(dtype, known)
            raise DeviceError(f"no {dtype} rate is known for {self.name}; known are {', '.join(known)}{hint}")
        return self.peak_flop_per_s[dtype]

    def ridge(self, dtype: str) -> float:
        """Return the intensity, in FLOP per byte, above which compute rather than memory bounds a product."""
        return self.peak(dtype) / self.bandwidth_bytes_per_s
