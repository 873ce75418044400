"""Whose ceilings a machine is judged by. There is no GPU; its name is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archbench.hardware.find import find_device
from archbench.hardware.measured import create_data_folder, store_devices
from archbench.host.machine import usable_cores
from archbench.measure.bench import expectation as module
from archbench.measure.bench.expectation import device_here, expect
from tests.helpers.measurements import configuration

GPU = "NVIDIA H200"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Let measured ceilings be kept apart, and devices of this machine have names."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(module, "title_here", {"cpu": "Some CPU", "cuda": GPU, "mps": "Apple arm"}.get)
    create_data_folder()


def measured(name, title, **changes):
    """Keep ceilings as measured, and return them."""
    store_devices([replace(find_device("h200"), name=name, title=title, is_measured=True, **changes)])
    return find_device(name)


def test_a_gpu_has_the_ceilings_measured_on_it_and_on_no_other():
    assert device_here("cuda", 1).name == "h200"
    measured("this_cuda", "NVIDIA A100-SXM4-80GB")
    assert device_here("cuda", 1).name == "h200"
    assert device_here("cuda", 1) != measured("this_cuda", "NVIDIA H200 MIG 1g.18gb")
    own = measured("this_cuda", GPU)
    assert device_here("cuda", 1) == own


def test_a_part_of_a_card_has_no_published_ceilings(monkeypatch):
    monkeypatch.setattr(module, "title_here", lambda kind: "NVIDIA H200 MIG 1g.18gb")
    assert device_here("cuda", 1) is None


def test_a_cpus_ceilings_hold_for_its_number_of_threads():
    assert device_here("cpu", 2) is None
    own = measured("this_cpu", "Some CPU", kind="cpu", threads=2)
    assert device_here("cpu", 2) == own
    assert device_here("cpu", 1) is None
    # A file that does not say so is of all cores.
    own = measured("this_cpu", "Some CPU", kind="cpu", threads=None)
    assert device_here("cpu", usable_cores()) == own
    assert device_here("cpu", usable_cores() + 1) is None
    measured("this_cpu", "Another CPU", kind="cpu", threads=2)
    assert device_here("cpu", 2) is None


def test_the_published_peak_stands_beside_the_measured_one():
    measured("this_cuda", GPU, peak_flop_per_s={"fp32": 50e12, "bf16": 790e12})
    found = expect(configuration(kind="cuda", dtype="bf16"))
    # NVIDIA's H200: 989 TFLOP/s in bf16.
    assert (found.peak_flop_per_s, found.published_flop_per_s) == (790e12, 989e12)
    measured("this_cuda", GPU, peak_flop_per_s={"fp32": 50e12})
    found = expect(configuration(kind="cuda", dtype="bf16"))
    assert (found.peak_flop_per_s, found.published_flop_per_s, found.images_per_s) == (None, 989e12, None)


def test_the_least_traffic_is_that_of_all_weights_and_stands_beside_both_bandwidths():
    measured("this_cuda", GPU, bandwidth_bytes_per_s=4.1e12)
    found = expect(configuration(model="alexnet_owt", input_shape="3x224x224", kind="cuda", dtype="bf16", mode="train"))
    # torchvision states 61,100,840 parameters, all of convolutions and linear layers; 2 bytes each.
    assert found.least_bytes == 2 * 61_100_840
    # NVIDIA's H200: 4.8 TB/s.
    assert (found.bandwidth_bytes_per_s, found.published_bytes_per_s) == (4.1e12, 4.8e12)
