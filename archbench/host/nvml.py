"""Readings of a GPU from NVIDIA's management library (NVML): clock, power, temperature, throttling and energy.

Nothing here changes a setting of the GPU. What the driver does not report is None.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch


@dataclass(frozen=True, slots=True)
class Reading:
    """The state of a GPU at one moment; `throttle_reasons` are NVML's bits."""

    clock_hz: float | None
    power_w: float | None
    temperature_c: float | None
    throttle_reasons: int | None


class Gpu(Protocol):
    """A GPU whose state can be read."""

    def read(self) -> Reading:
        """Return the current state."""

    def energy_j(self) -> float | None:
        """Return the energy used since the driver was loaded."""


class NvmlGpu:
    """A GPU read through NVML; `nvml` is the module pynvml, `handle` its device handle."""

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml = nvml
        self._handle = handle

    def read(self) -> Reading:
        """Return the current state; NVML reports MHz and mW."""
        nvml, handle = self._nvml, self._handle
        clock_mhz = self._query(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM))
        power_mw = self._query(lambda: nvml.nvmlDeviceGetPowerUsage(handle))
        reasons = self._query(lambda: nvml.nvmlDeviceGetCurrentClocksEventReasons(handle))
        return Reading(
            clock_hz=None if clock_mhz is None else clock_mhz * 1e6,
            power_w=None if power_mw is None else power_mw / 1e3,
            temperature_c=self._query(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
            throttle_reasons=None if reasons is None else int(reasons),
        )

    def energy_j(self) -> float | None:
        """Return the energy used since the driver was loaded."""
        used_mj = self._query(lambda: self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle))
        return None if used_mj is None else used_mj / 1e3

    def _query(self, question: Callable[[], float]) -> float | None:
        try:
            return question()
        except (self._nvml.NVMLError, AttributeError):  # the GPU does not report it, or pynvml is too old
            return None


def open_gpu(kind: str) -> Gpu | None:
    """Return the GPU that this process runs on, None if there is none or NVML is not available."""
    if kind != "cuda":
        return None
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        uuid = f"GPU-{torch.cuda.get_device_properties(torch.cuda.current_device()).uuid}"
        return NvmlGpu(pynvml, pynvml.nvmlDeviceGetHandleByUUID(uuid))
    except (pynvml.NVMLError, AttributeError):  # older builds of torch do not report the UUID
        return None
