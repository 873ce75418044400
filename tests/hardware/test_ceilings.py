from __future__ import annotations

from archbench.hardware import ceilings


def test_a_ceiling_is_work_over_the_median_block(monkeypatch):
    # A clock by which every call takes 0.01 s, and one block ten times as long.
    now = {"ns": 0}
    calls = []

    def job():
        calls.append(None)
        now["ns"] += 10_000_000 if len(calls) != 30 else 100_000_000

    monkeypatch.setattr(ceilings.time, "perf_counter_ns", lambda: now["ns"])
    assert ceilings._time_s("cpu", job) == 0.01
    # One to warm up, one to see how long it takes, then seven blocks of 0.1 s.
    assert len(calls) == 2 + 7 * 10


def test_this_machine_is_measured(monkeypatch):
    monkeypatch.setattr(ceilings, "_COPY_BYTES", {"cpu": 2**20})
    monkeypatch.setattr(ceilings, "_PRODUCT_SIZES", {"cpu": (32, 64)})
    monkeypatch.setattr(ceilings, "_BLOCK_S", {"cpu": 0.001})
    monkeypatch.setattr(ceilings.torch.cuda, "is_available", lambda: False)
    before = ceilings.torch.get_num_threads()
    (device,) = ceilings.measure_devices(threads=1)
    assert (device.name, device.kind, device.is_measured) == ("this_cpu", "cpu", True)
    assert (device.title, device.threads) == (ceilings.title_here("cpu"), 1)
    assert ceilings.torch.get_num_threads() == before
    assert set(device.peak_flop_per_s) == {"fp32", "bf16", "fp16"}
    assert min(device.peak_flop_per_s.values()) > 0
    assert device.bandwidth_bytes_per_s > 0
    assert device.memory_bytes > 2**28
