from __future__ import annotations

import json
from dataclasses import replace

import pytest

from archbench.errors import DeviceError, OutputError
from archbench.hardware.catalogue import published_device, published_devices
from archbench.hardware.device import MeasuredRate
from archbench.hardware.find import all_devices, find_device
from archbench.hardware.measured import create_data_folder, measured_devices, store_devices


@pytest.fixture(autouse=True)
def data_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    create_data_folder()
    return tmp_path


@pytest.mark.parametrize("device", published_devices().values(), ids=str)
def test_every_figure_is_in_base_units_and_has_a_source(device):
    assert 2**30 <= device.memory_bytes < 2**40
    assert 1e10 < device.bandwidth_bytes_per_s < 1e14
    assert device.peak_flop_per_s["fp32"] > 1e11
    assert all(rate >= device.peak_flop_per_s["fp32"] for rate in device.peak_flop_per_s.values())
    given = {"memory_gib", "bandwidth_gb_per_s", "power_w", "peak_tflop_per_s"}
    given |= {"interconnect_gb_per_s"} if device.interconnect_bytes_per_s else set()
    given |= {"network_gb_per_s"} if device.network_bytes_per_s else set()
    assert set(device.sources) == given
    assert all(device.sources.values())


def test_the_papers_machines_and_todays_are_there():
    named = "gtx580 titan_black k80 p100 v100 t4 a100 rtx3090 rtx4090 rtx5090 l4 l40s h100 h200 b200 mi300x m1 cpu"
    assert set(named.split()) <= set(published_devices())


def test_a_device_is_found_however_it_is_written():
    assert find_device("Titan-Black").name == "titan_black"
    assert find_device("H200").bandwidth_bytes_per_s == 4.8e12


def test_the_ridge_is_peak_over_bandwidth():
    # 312e12 / 2.039e12 = 153.0 FLOP a byte
    assert find_device("a100").ridge("bf16") == pytest.approx(153.0, abs=0.05)


def test_an_unknown_device_or_dtype_names_the_nearest():
    with pytest.raises(DeviceError, match="unknown device 'h20'; did you mean 'h200'"):
        find_device("h20")
    with pytest.raises(DeviceError, match="no bf16 rate is known for v100; known are fp32, fp16"):
        find_device("v100").peak("bf16")


# As drivers name them.
CARDS = {
    "NVIDIA H200": "h200",
    "NVIDIA H100 80GB HBM3": "h100",
    "NVIDIA A100-SXM4-80GB": "a100",
    "Tesla V100-SXM2-32GB": "v100",
    "Tesla P100-SXM2-16GB": "p100",
    "Tesla T4": "t4",
    "NVIDIA L4": "l4",
    "NVIDIA L40S": "l40s",
    "NVIDIA GeForce RTX 4090": "rtx4090",
    "GeForce RTX 3090": "rtx3090",
    "AMD Instinct MI300X": "mi300x",
    "NVIDIA RTX PRO 6000 Blackwell Workstation Edition": "rtx_pro_6000",
    "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition": "rtx_pro_6000_max_q",
    "NVIDIA RTX PRO 6000 Blackwell Server Edition": "rtx_pro_6000_server",
}
OTHER_CARDS = [
    *("NVIDIA H200 NVL", "NVIDIA H200 MIG 1g.18gb", "NVIDIA GH200 480GB", "NVIDIA GB200", "NVIDIA L40"),
    *("NVIDIA H100 PCIe", "NVIDIA H100 NVL", "NVIDIA H100 80GB HBM3 MIG 3g.40gb", "NVIDIA A100 80GB PCIe"),
    *("NVIDIA A100-SXM4-40GB", "NVIDIA A100-40C", "Tesla V100-PCIE-32GB", "Tesla V100-SXM2-16GB"),
    *("NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA GeForce RTX 4090 D", "NVIDIA GeForce RTX 3090 Ti"),
    *("NVIDIA GeForce RTX 3090 with Max-Q Design", "NVIDIA GeForce GTX 1080", ""),
]


@pytest.mark.parametrize(("own_name", "name"), CARDS.items())
def test_a_card_is_found_by_its_driver_s_name(own_name, name):
    assert published_device(own_name) == published_devices()[name]


@pytest.mark.parametrize("own_name", OTHER_CARDS)
def test_no_part_and_no_other_form_of_a_card_is_taken_for_it(own_name):
    assert published_device(own_name) is None


def test_the_class_of_a_card_is_that_of_its_accumulation_and_cooling():
    devices = published_devices()
    data_center = {name for name, device in devices.items() if device.is_data_center}
    # HBM, or full-rate 32-bit accumulation in a card that a server cools.
    assert {"v100", "t4", "a100", "l4", "l40s", "h100", "h200", "b200", "rtx_pro_6000_server"} <= data_center
    # Consumer and workstation cards, with or without full-rate accumulation, and CPUs.
    assert not {"rtx4090", "rtx5090", "rtx_pro_6000", "rtx_pro_6000_max_q", "m1", "cpu", "i9_10940x"} & data_center


def test_the_peak_of_the_i9_is_that_of_its_avx512_units():
    device = find_device("i9-10940X")
    assert device.kind == "cpu"
    # 14 cores x 3.3e9 Hz x 2 units x 16 lanes x 2 = 2.9568e12; 4 channels x 8 bytes x 2.933e9 = 93.86e9
    assert device.peak("fp32") == pytest.approx(2.9568e12, rel=1e-3)
    assert device.bandwidth_bytes_per_s == pytest.approx(93.86e9, rel=1e-3)


def test_what_was_measured_is_kept_and_found():
    device = replace(
        find_device("cpu"),
        name="this_cpu",
        is_measured=True,
        power_w=None,
        threads=3,
        convolution_flop_per_s={"fp32": 2.5e11},
        depthwise_flop_per_s={"fp32": 3e10},
        measured_rates=(MeasuredRate("torchvision:resnet18", "eval", "fp32", "nchw", 16, 45.5),),
    )
    path = store_devices([device])
    assert measured_devices() == {"this_cpu": device}
    assert json.loads(path.read_text())[0]["name"] == "this_cpu"
    store_devices([find_device("t4")])
    assert list(measured_devices()) == ["this_cpu", "t4"]


LATER_FIELDS = {
    "threads": None,
    "convolution_flop_per_s": {},
    "depthwise_flop_per_s": {},
    "measured_rates": (),
}


@pytest.mark.parametrize(("field", "value"), LATER_FIELDS.items())
def test_a_file_from_before_a_field_was_kept_is_read(field, value):
    path = store_devices([replace(find_device("cpu"), is_measured=True, threads=3)])
    (entry,) = json.loads(path.read_text())
    del entry[field]
    path.write_text(json.dumps([entry]))
    assert getattr(measured_devices()["cpu"], field) == value


@pytest.mark.parametrize(
    ("title", "is_data_center"),
    [("NVIDIA A100-SXM4-80GB", True), ("NVIDIA GeForce RTX 4090", False), ("unheard", False)],
)
def test_a_file_from_before_classes_were_kept_takes_that_of_the_published_card(title, is_data_center):
    path = store_devices([replace(find_device("cpu"), name="this_cuda", title=title, is_measured=True)])
    (entry,) = json.loads(path.read_text())
    del entry["is_data_center"]
    path.write_text(json.dumps([entry]))
    assert measured_devices()["this_cuda"].is_data_center is is_data_center


@pytest.mark.parametrize(
    "text", ["{ not json", "null", "[1]", '[{"name": "x"}]', '[{"name": "x", "memory_bytes": "a"}]']
)
def test_a_damaged_file_is_said_and_measured_anew(data_home, text):
    path = store_devices([find_device("cpu")])
    path.write_text(text)
    with pytest.raises(DeviceError, match=r"is damaged; run 'archbench devices --measure' to rewrite it"):
        all_devices()
    store_devices([published_devices()["cpu"]])
    assert list(measured_devices()) == ["cpu"]


def test_where_nothing_can_be_kept_is_said_before_anything_is_measured(monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", "/proc/nowhere")
    with pytest.raises(OutputError, match="cannot create the folder '/proc/nowhere/archbench'"):
        create_data_folder()
