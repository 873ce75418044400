from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from archbench.host import nvml as module
from archbench.host.nvml import NvmlGpu, Reading, open_gpu


class FakeNvmlError(Exception):
    pass


class FakeNvml(SimpleNamespace):
    """What nvidia-ml-py offers, of a card whose power is not known."""

    NVMLError = FakeNvmlError
    NVML_CLOCK_SM, NVML_TEMPERATURE_GPU = 1, 0

    def nvmlInit(self):
        pass

    def nvmlDeviceGetHandleByUUID(self, uuid):
        assert uuid == "GPU-c0ffee"
        return "handle"

    def nvmlDeviceGetClockInfo(self, handle, clock):
        assert (handle, clock) == ("handle", 1)
        return 1980

    def nvmlDeviceGetPowerUsage(self, handle):
        raise FakeNvmlError("not supported")

    def nvmlDeviceGetTemperature(self, handle, sensor):
        return 61

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle):
        return 4

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        return 12_500


def test_a_gpu_is_read_in_base_units_and_unknown_values_are_none():
    card = NvmlGpu(FakeNvml(), "handle")
    assert card.read() == Reading(clock_hz=1980e6, power_w=None, temperature_c=61, throttle_reasons=4)
    assert card.energy_j() == 12.5


def test_an_old_library_gives_unknown_values():
    card = NvmlGpu(SimpleNamespace(NVMLError=FakeNvmlError), "handle")
    assert card.read() == Reading(None, None, None, None)
    assert card.energy_j() is None


def test_the_gpu_is_the_one_that_torch_uses(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml())
    monkeypatch.setattr(module.torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(module.torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid="c0ffee"))
    assert open_gpu("cuda").read().temperature_c == 61


def test_a_cpu_has_no_gpu_and_nvml_is_not_initialised(monkeypatch):
    monkeypatch.setattr(FakeNvml, "nvmlInit", lambda _: pytest.fail("the driver was asked"))
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml())
    assert open_gpu("cpu") is None


def test_a_driver_that_does_not_answer_gives_no_gpu(monkeypatch):
    def fail(_):
        raise FakeNvmlError("no driver")

    monkeypatch.setattr(FakeNvml, "nvmlInit", fail)
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml())
    assert open_gpu("cuda") is None
