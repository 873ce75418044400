"""Find a device by name: published ones, and those measured on this machine."""

from __future__ import annotations

from archbench.errors import DeviceError, nearest
from archbench.hardware.catalogue import published_devices
from archbench.hardware.device import Device
from archbench.hardware.measured import measured_devices


def all_devices() -> dict[str, Device]:
    """Return the published devices and those measured on this machine, by name."""
    return published_devices() | measured_devices()


def find_device(name: str) -> Device:
    """Return the device with this name, in any case, with `-` or a space for `_`.

    Raises DeviceError, naming the nearest, for an unknown name.
    """
    devices = all_devices()
    key = name.lower().replace("-", "_").replace(" ", "_")
    if key not in devices:
        hint = nearest(key, devices) or f"; choose from {', '.join(devices)}"
        raise DeviceError(f"unknown device '{name}'{hint}")
    return devices[key]
