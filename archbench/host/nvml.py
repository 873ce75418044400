"""What a GPU's driver tells while the GPU works: clock, power, temperature, what holds it back, and energy.

It is only asked; nothing here changes a setting of the card. What it does not tell is None.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch


@dataclass(frozen=True, slots=True)
class Reading:
    """The card at one moment; `throttle_reasons` are the driver's bits."""

    clock_hz: float | None
    power_w: float | None
    temperature_c: float | None
    throttle_reasons: int | None


class Card(Protocol):
    """A GPU that can be asked."""

    def read(self) -> Reading:
        """Return what the card does at the moment."""

    def energy_j(self) -> float | None:
        """Return what the card has used since its driver started."""


class DriverCard:
    """A card as NVIDIA's driver tells of it; `nvml` is its library, `handle` the card's name there."""

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml = nvml
        self._handle = handle

    def read(self) -> Reading:
        """Return what the card does at the moment; the driver tells MHz and mW."""
        nvml, handle = self._nvml, self._handle
        clock_mhz = self._ask(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM))
        power_mw = self._ask(lambda: nvml.nvmlDeviceGetPowerUsage(handle))
        reasons = self._ask(lambda: nvml.nvmlDeviceGetCurrentClocksEventReasons(handle))
        return Reading(
            clock_hz=None if clock_mhz is None else clock_mhz * 1e6,
            power_w=None if power_mw is None else power_mw / 1e3,
            temperature_c=self._ask(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
            throttle_reasons=None if reasons is None else int(reasons),
        )

    def energy_j(self) -> float | None:
        """Return what the card has used since its driver started."""
        used_mj = self._ask(lambda: self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle))
        return None if used_mj is None else used_mj / 1e3

    def _ask(self, question: Callable[[], float]) -> float | None:
        try:
            return question()
        except (self._nvml.NVMLError, AttributeError):  # the card does not tell, or the library is too old to ask
            return None


def open_card(kind: str) -> Card | None:
    """Return the GPU that this process measures on, None where there is none or its driver cannot be asked."""
    if kind != "cuda":
        return None
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        uuid = f"GPU-{torch.cuda.get_device_properties(torch.cuda.current_device()).uuid}"
        return DriverCard(pynvml, pynvml.nvmlDeviceGetHandleByUUID(uuid))
    except (pynvml.NVMLError, AttributeError):  # older builds of torch do not tell a card's UUID
        return None
