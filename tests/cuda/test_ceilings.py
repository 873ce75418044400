"""The ceilings of a GPU and the rate of a small model, as `archbench devices --measure` takes them."""

from __future__ import annotations

from archbench.hardware.ceilings import measure_device
from archbench.measure.bench.device_rates import measure_rate, rate_configurations
from tests.cuda.subject import show


def test_the_ceilings_of_a_gpu_are_in_the_order_of_its_precisions():
    device = measure_device("cuda")
    peaks = device.peak_flop_per_s
    show(bandwidth_bytes_per_s=device.bandwidth_bytes_per_s, **{f"{name}_flop_per_s": peaks[name] for name in peaks})
    assert peaks["fp32"] < peaks["tf32"] < min(peaks["bf16"], peaks["fp16"])
    assert device.memory_bytes > 0
    batch_1 = rate_configurations(device)[-1]
    rate = measure_rate(batch_1)
    show(model=rate.model, batch=rate.batch, images_per_s=rate.images_per_s)
    assert rate.images_per_s > 0
