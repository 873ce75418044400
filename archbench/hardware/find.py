"""Find a device by name: published ones, and those measured on this machine."""

from __future__ import annotations

from archbench.errors import DeviceError, nearest
from archbench.hardware.catalogue import published_aliases, published_device, published_devices
from archbench.hardware.device import Device
from archbench.hardware.measured import measured_devices


def all_devices() -> dict[str, Device]:
    """Return the published devices and those measured on this machine, by name."""
    return published_devices() | measured_devices()


def find_device(name: str) -> Device:
    """Return the device with this name, in any case and with any separators, or with this name of its driver.

    Raises DeviceError, naming the nearest, for an unknown name.
    """
    devices = all_devices()
    names = {_letters(alias): own for alias, own in published_aliases().items()} | {
        _letters(own): own for own in devices
    }
    if _letters(name) in names:
        return devices[names[_letters(name)]]
    if (published := published_device(name)) is not None:
        return published
    if _letters(name) in ("thiscpu", "thiscuda", "thismps"):
        raise DeviceError(f"'{name}' is not measured yet; 'archbench devices --measure' measures this machine")
    hint = nearest(name.lower().replace("-", "_").replace(" ", "_"), devices) or f"; choose from {', '.join(devices)}"
    raise DeviceError(f"unknown device '{name}'{hint}")


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))
