"""What the driver reports about a busy GPU."""

from __future__ import annotations

import time

import torch

from archbench.host.clock_monitor import ClockMonitor, clock_record
from archbench.host.environment import environment
from archbench.host.nvml import open_gpu
from tests.cuda.subject import show


def test_energy_clock_power_and_temperature_are_read_while_a_gpu_works():
    matrix = torch.randn(4096, 4096, device="cuda")
    gpu = open_gpu("cuda")
    assert gpu is not None, "NVML does not know the GPU that torch uses"
    before_j, start = gpu.energy_j(), time.monotonic()
    with ClockMonitor(gpu) as monitor:
        while time.monotonic() < start + 1:
            matrix @ matrix
            torch.cuda.synchronize()
    duration_s, after_j = time.monotonic() - start, gpu.energy_j()
    record = clock_record(monitor.readings)
    used_j = None if before_j is None or after_j is None else after_j - before_j
    show(used_j=used_j, **{name: values["median"] for name, values in record.items()})
    assert len(monitor.readings) >= 5
    assert set(record) == {"clock_hz", "power_w", "temperature_c"}
    # Between an idle card and the largest there are; the driver counts energy every tenth of a second or so.
    assert used_j is None or 10 < used_j / duration_s < 2000
    assert 1e8 < record["clock_hz"]["median"] < 5e9


def test_the_environment_names_the_gpu_and_its_driver():
    record = environment("cuda")
    known = {name: record[name] for name in ("gpu_name", "driver", "cuda", "cudnn", "gpu_power_limit_w")}
    show(**known)
    assert None not in known.values()
    assert 0 < record["gpu_free_bytes"] <= record["gpu_total_bytes"]
