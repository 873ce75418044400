"""The devices that predictions are made for: those of the published table, and those measured on this machine."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Literal

from archbench.errors import DeviceError, nearest

_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Device:
    """A device's ceilings in base units.

    `peak_flop_per_s` maps a dtype to the rate of dense matrix products, 2 FLOPs a MAC. `interconnect_bytes_per_s` is
    one direction of the fastest link between devices of the kind, None where there is none. `sources` says where each
    figure is from. `is_measured` marks ceilings that were reached on this machine, which published ones are not.
    """

    name: str
    title: str
    year: int
    memory_bytes: int
    bandwidth_bytes_per_s: float
    peak_flop_per_s: Mapping[str, float]
    kind: Literal["gpu", "cpu"] = "gpu"
    interconnect_bytes_per_s: float | None = None
    power_w: float | None = None
    compute_capability: float | None = None
    is_measured: bool = False
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def free_bytes(self) -> int:
        """The memory that is left for a program; a GPU's driver takes half a GiB for its context."""
        return self.memory_bytes - (_GIB // 2 if self.kind == "gpu" else 0)

    def peak(self, dtype: str) -> float:
        """Return the peak rate in FLOP/s. Raises DeviceError for a dtype that the device lacks."""
        if dtype not in self.peak_flop_per_s:
            there = ", ".join(self.peak_flop_per_s)
            hint = "" if dtype == "fp64" else nearest(dtype, self.peak_flop_per_s)
            raise DeviceError(f"no rate of {dtype} is known for {self.name}; it has {there}{hint}")
        return self.peak_flop_per_s[dtype]

    def ridge(self, dtype: str) -> float:
        """Return the intensity in FLOP per byte from which on a product is bound by compute, not by memory."""
        return self.peak(dtype) / self.bandwidth_bytes_per_s


def published_devices() -> dict[str, Device]:
    """Return the devices of the table by name, oldest first."""
    table = tomllib.loads((files("archbench.devices") / "catalogue.toml").read_text("utf-8"))
    devices = [_device(name, entry) for name, entry in table.items()]
    return {device.name: device for device in sorted(devices, key=lambda device: (device.year, device.name))}


def _device(name: str, entry: Mapping[str, Any]) -> Device:
    figures = ("memory_gib", "bandwidth_gb_per_s", "interconnect_gb_per_s", "power_w", "peak_tflop_per_s")
    own = entry.get("sources", {})
    link = entry.get("interconnect_gb_per_s")
    return Device(
        name=name,
        title=entry["title"],
        year=entry["year"],
        memory_bytes=round(entry["memory_gib"] * _GIB),
        bandwidth_bytes_per_s=entry["bandwidth_gb_per_s"] * 1e9,
        peak_flop_per_s={dtype: rate * 1e12 for dtype, rate in entry["peak_tflop_per_s"].items()},
        kind=entry.get("kind", "gpu"),
        interconnect_bytes_per_s=None if link is None else link * 1e9,
        power_w=entry["power_w"],
        compute_capability=entry.get("compute_capability"),
        sources={figure: own.get(figure, entry["source"]) for figure in figures if figure in entry},
    )


def all_devices() -> dict[str, Device]:
    """Return the published devices and those measured on this machine, by name."""
    from archbench.devices.measured import measured_devices

    return published_devices() | measured_devices()


def find_device(name: str) -> Device:
    """Return the device of that name. Raises DeviceError, naming the nearest, if there is none."""
    devices = all_devices()
    key = name.lower().replace("-", "_").replace(" ", "_")
    if key not in devices:
        there = f"; there are {', '.join(devices)}"
        raise DeviceError(f"there is no device '{name}'{nearest(key, devices) or there}")
    return devices[key]
