"""The published devices: `catalogue.toml`, with the source of every figure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from archbench.hardware.device import Device

_GIB = 2**30
# The maker and its brands, which some versions of a driver write before a card's name.
_BRANDS = {"nvidia", "geforce", "tesla", "amd", "instinct"}


def published_devices() -> dict[str, Device]:
    """Return the devices of the catalogue by name, oldest first."""
    devices = [_device(name, entry) for name, entry in _catalogue().items()]
    return {device.name: device for device in sorted(devices, key=lambda device: (device.year, device.name))}


def published_aliases() -> dict[str, str]:
    """Return the other names of devices, each with the name in the catalogue."""
    return {alias: name for name, entry in _catalogue().items() for alias in entry.get("aliases", ())}


def published_device(driver_name: str) -> Device | None:
    """Return the published device with this driver name, such as `NVIDIA A100-SXM4-80GB`, or None.

    Any other word makes it a different card: a partition (MIG), another form factor (PCIe, NVL, Laptop, Max-Q), another
    memory size or a larger model (Ti).
    """
    model = _model(driver_name)
    for name, entry in _catalogue().items():
        if model in map(_model, entry.get("driver_names", ())):
            return _device(name, entry)
    return None


def _catalogue() -> dict[str, dict[str, Any]]:
    return tomllib.loads((files("archbench.hardware") / "catalogue.toml").read_text("utf-8"))


def _model(driver_name: str) -> list[str]:
    """Return the words of a driver's name for a card without those of the maker."""
    return [word for word in re.findall(r"[a-z0-9]+", driver_name.lower()) if word not in _BRANDS]


def _device(name: str, entry: Mapping[str, Any]) -> Device:
    figures = (
        "memory_gib",
        "bandwidth_gb_per_s",
        "interconnect_gb_per_s",
        "network_gb_per_s",
        "power_w",
        "peak_tflop_per_s",
    )
    own = entry.get("sources", {})
    link, network = entry.get("interconnect_gb_per_s"), entry.get("network_gb_per_s")
    return Device(
        name=name,
        title=entry["title"],
        year=entry["year"],
        memory_bytes=round(entry["memory_gib"] * _GIB),
        bandwidth_bytes_per_s=entry["bandwidth_gb_per_s"] * 1e9,
        peak_flop_per_s={dtype: rate * 1e12 for dtype, rate in entry["peak_tflop_per_s"].items()},
        kind=entry.get("kind", "gpu"),
        interconnect_bytes_per_s=None if link is None else link * 1e9,
        interconnect=entry.get("interconnect", "PCIe"),
        network_bytes_per_s=None if network is None else network * 1e9,
        host_devices=entry.get("host_devices", 8),
        power_w=entry["power_w"],
        compute_capability=entry.get("compute_capability"),
        is_data_center=entry.get("data_center", False),
        sources={figure: own.get(figure, entry["source"]) for figure in figures if figure in entry},
    )
