from __future__ import annotations

import json
import re
from types import SimpleNamespace

import pytest

from archbench.host import environment as module
from archbench.host.environment import environment, load_warning, relevant_variables

UUID = "c0ffee00-0000-0000-0000-000000000000"


class FakeDriver(SimpleNamespace):
    """What nvidia-ml-py offers, of a card that does not tell its temperature."""

    NVML_CLOCK_SM, NVML_CLOCK_MEM = 1, 2

    def nvmlInit(self):
        pass

    def nvmlDeviceGetHandleByUUID(self, uuid):
        assert uuid == f"GPU-{UUID}"
        return "handle"

    def nvmlSystemGetDriverVersion(self):
        return "580.1"

    def nvmlDeviceGetEnforcedPowerLimit(self, handle):
        return 700_000

    def nvmlDeviceGetClockInfo(self, handle, clock):
        return {1: 1980, 2: 3201}[clock]

    def nvmlDeviceGetMaxClockInfo(self, handle, clock):
        return {1: 1980, 2: 3201}[clock]

    def nvmlDeviceGetTemperature(self, handle, sensor):
        raise RuntimeError("not supported")

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle):
        return 4


@pytest.fixture
def fake_gpu(monkeypatch):
    cuda = module.torch.cuda
    monkeypatch.setattr(cuda, "current_device", lambda: 0)
    monkeypatch.setattr(cuda, "get_device_properties", lambda _: SimpleNamespace(name="NVIDIA H200", uuid=UUID))
    monkeypatch.setattr(cuda, "mem_get_info", lambda: (100, 200))
    monkeypatch.setattr(module, "import_module", lambda name: FakeDriver() if name == "pynvml" else None)


def test_a_cpu_is_recorded_without_starting_cuda(monkeypatch):
    monkeypatch.setattr(module.torch.cuda, "current_device", lambda: pytest.fail("CUDA was asked"))
    record = environment("cpu", seed=3)
    assert record["cpu_name"]
    assert record["cpu_cores"] >= 1
    assert record["threads"] == module.torch.get_num_threads()
    assert record["flags"]["cudnn.benchmark"] == module.torch.backends.cudnn.benchmark
    assert (record["seed"], record["gpu_name"], record["driver"]) == (3, None, None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", record["date"])
    assert record["commit"] is None or re.fullmatch(r"[0-9a-f]{40}(-dirty)?", record["commit"])
    assert json.loads(json.dumps(record)) == record


def test_a_gpu_is_recorded_in_base_units(fake_gpu):
    record = environment("cuda")
    assert (record["gpu_name"], record["gpu_uuid"], record["driver"]) == ("NVIDIA H200", f"GPU-{UUID}", "580.1")
    assert (record["gpu_free_bytes"], record["gpu_total_bytes"]) == (100, 200)
    assert (record["gpu_power_limit_w"], record["gpu_clock_hz"], record["gpu_memory_clock_hz"]) == (700, 1980e6, 3201e6)
    assert (record["gpu_throttle_reasons"], record["gpu_temperature_c"]) == (4, None)


def test_a_record_has_the_same_fields_wherever_it_is_made(fake_gpu):
    assert set(environment("cuda")) == set(environment("cpu"))


def test_nothing_that_fails_is_raised(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("it fails")

    for name in ("current_device", "get_device_properties", "mem_get_info"):
        monkeypatch.setattr(module.torch.cuda, name, fail)
    for name in ("import_module", "version", "_commit", "cpu_name"):
        monkeypatch.setattr(module, name, fail)
    monkeypatch.setattr(module.os, "getloadavg", fail)
    record = environment("cuda")
    unknown = ("gpu_name", "gpu_uuid", "driver", "tool", "commit", "cpu_name", "load_1min", "memory_free_bytes")
    assert [record[name] for name in unknown] == [None] * len(unknown)


def test_only_variables_that_change_a_time_are_kept():
    variables = {
        "OMP_NUM_THREADS": "4",
        "CUDA_VISIBLE_DEVICES": "1",
        "PYTORCH_ALLOC_CONF": "expandable_segments:True",
        "HOME": "/home/someone",
        "TORCH_HUB_TOKEN": "hidden",
    }
    assert list(relevant_variables(variables)) == ["CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "PYTORCH_ALLOC_CONF"]


def test_a_load_above_half_the_cores_is_a_warning():
    assert load_warning({"load_1min": 1.2, "cpu_cores": 2}) == "load: 1.2 on 2 cores"
    assert load_warning({"load_1min": 1.0, "cpu_cores": 2}) is None
    assert load_warning({"load_1min": None, "cpu_cores": 2}) is None
