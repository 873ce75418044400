"""The devices that predictions are made for: those of the published table, and those measured on this machine."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Literal

from archbench.errors import DeviceError, nearest

_GIB = 2**30
# What a GPU's driver names beside the card's model: its maker, and how it is mounted.
_USUAL = re.compile(r"nvidia|geforce|tesla|amd|instinct|sxm\d?|hbm\d[a-z]?")
_SIZE = re.compile(r"(\d+)gb")


@dataclass(frozen=True, slots=True)
class Device:
    """A device's ceilings in base units.

    `peak_flop_per_s` maps a dtype to the rate of dense matrix products, 2 FLOPs a MAC. `interconnect_bytes_per_s` is
    one direction of the fastest link between devices of the kind, None where there is none. `sources` says where each
    figure is from. `is_measured` marks ceilings that were reached on this machine, which published ones are not; those
    of a CPU were reached with so many `threads`, with all cores where that is not known.
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
    threads: int | None = None
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
    table = tomllib.loads((files("archbench.hardware") / "catalogue.toml").read_text("utf-8"))
    devices = [_device(name, entry) for name, entry in table.items()]
    return {device.name: device for device in sorted(devices, key=lambda device: (device.year, device.name))}


def published_device(own_name: str) -> Device | None:
    """Return the published device that a GPU is, by the name that its driver gives it; None if it is none of them.

    A word that is neither the model's nor usual makes it another card: a part of one (MIG), another form of it (PCIe,
    NVL, Laptop, Max-Q) or a larger one (Ti). So does another size of its memory.
    """
    words = [word for word in re.findall(r"[a-z0-9]+", own_name.lower()) if not _USUAL.fullmatch(word)]
    model = "".join(word for word in words if not _SIZE.fullmatch(word))
    sizes = [int(found[1]) for word in words if (found := _SIZE.fullmatch(word))]
    for device in published_devices().values():
        # Of what makers state the driver shows a little less.
        is_as_large = all(abs(_GIB * size - device.memory_bytes) < _GIB for size in sizes)
        if is_as_large and device.name.replace("_", "") == model:
            return device
    return None


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
    from archbench.hardware.measured import measured_devices

    return published_devices() | measured_devices()


def find_device(name: str) -> Device:
    """Return the device of that name. Raises DeviceError, naming the nearest, if there is none."""
    devices = all_devices()
    key = name.lower().replace("-", "_").replace(" ", "_")
    if key not in devices:
        there = f"; there are {', '.join(devices)}"
        raise DeviceError(f"there is no device '{name}'{nearest(key, devices) or there}")
    return devices[key]
