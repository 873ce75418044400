"""The ceilings that were measured on this machine: kept in one JSON file in the user's data directory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from archbench.devices.catalogue import Device
from archbench.errors import DeviceError
from archbench.files import write_whole


def data_directory() -> Path:
    """Return where archbench keeps what it measured: by the XDG base directory specification, or `%LOCALAPPDATA%`."""
    given = os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(given) if given else Path.home() / ".local" / "share") / "archbench"


def measured_devices() -> dict[str, Device]:
    """Return this machine's devices by name, none if nothing was measured. Raises DeviceError for a damaged file."""
    path = _path()
    try:
        entries = json.loads(path.read_text("utf-8"))
        return {entry["name"]: Device(**entry) for entry in entries}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DeviceError(f"cannot read '{path}': {error}; measure anew or remove it") from error


def store_devices(devices: Iterable[Device]) -> Path:
    """Write measured devices, in place of earlier ones of the same names, and return the file."""
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = measured_devices() if path.exists() else {}
    kept |= {device.name: device for device in devices}
    write_whole(path, json.dumps([asdict(device) for device in kept.values()], indent=2) + "\n")
    return path


def _path() -> Path:
    return data_directory() / "devices.json"
