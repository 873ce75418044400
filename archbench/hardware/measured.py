"""Ceilings measured on this machine, stored in one JSON file in the user's data directory."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from archbench.errors import DeviceError, OutputError
from archbench.files import data_directory, write_whole
from archbench.hardware.catalogue import published_device
from archbench.hardware.device import Device, MeasuredRate


def measured_devices() -> dict[str, Device]:
    """Return the measured devices by name, empty if there are none. Raises DeviceError for a damaged file."""
    path = _path()
    try:
        entries = json.loads(path.read_text("utf-8"))
        return {entry["name"]: _device(entry) for entry in entries}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise DeviceError(f"cannot read '{path}': {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DeviceError(f"'{path}' is damaged; run 'archbench devices --measure' to rewrite it") from error


def _device(entry: dict[str, Any]) -> Device:
    """Return the device of one entry. Raises ValueError, TypeError, KeyError or AttributeError for a malformed one."""
    capability, threads = entry["compute_capability"], entry.get("threads")
    return Device(
        name=entry["name"],
        title=entry["title"],
        year=int(entry["year"]),
        memory_bytes=int(entry["memory_bytes"]),
        bandwidth_bytes_per_s=float(entry["bandwidth_bytes_per_s"]),
        peak_flop_per_s=_rates(entry["peak_flop_per_s"]),
        kind="cpu" if entry["kind"] == "cpu" else "gpu",
        compute_capability=None if capability is None else float(capability),
        is_data_center=_is_data_center(entry),
        is_measured=True,
        threads=None if threads is None else int(threads),
        sources=dict(entry["sources"]),
        # Files of earlier versions do not have these.
        convolution_flop_per_s=_rates(entry.get("convolution_flop_per_s", {})),
        depthwise_flop_per_s=_rates(entry.get("depthwise_flop_per_s", {})),
        measured_rates=tuple(_measured_rate(rate) for rate in entry.get("measured_rates", ())),
    )


def _rates(entry: dict[str, Any]) -> dict[str, float]:
    return {dtype: float(rate) for dtype, rate in entry.items()}


def _measured_rate(entry: dict[str, Any]) -> MeasuredRate:
    return MeasuredRate(
        model=str(entry["model"]),
        mode="train" if entry["mode"] == "train" else "eval",
        dtype=str(entry["dtype"]),
        layout="nhwc" if entry["layout"] == "nhwc" else "nchw",
        batch=int(entry["batch"]),
        images_per_s=float(entry["images_per_s"]),
    )


def _is_data_center(entry: dict[str, Any]) -> bool:
    """Return the class of a measured device: that of the published card of the same name for files without it."""
    published = published_device(entry["title"])
    return bool(entry.get("is_data_center", published is not None and published.is_data_center))


def store_devices(devices: Iterable[Device]) -> Path:
    """Write measured devices, replacing those of the same names or a damaged file, and return the path."""
    path = _path()
    try:
        kept = measured_devices()
    except DeviceError:
        kept = {}
    kept |= {device.name: device for device in devices}
    write_whole(path, json.dumps([asdict(device) for device in kept.values()], indent=2) + "\n")
    return path


def create_data_folder() -> None:
    """Create the folder of the file of measured devices. Raises OutputError if that fails."""
    try:
        _path().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot create the folder '{_path().parent}': {error.strerror}") from error


def _path() -> Path:
    return data_directory() / "devices.json"
