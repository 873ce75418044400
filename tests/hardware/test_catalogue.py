from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from archbench.errors import DeviceError, OutputError
from archbench.hardware.catalogue import published_aliases, published_device, published_devices
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
    written = {
        "a100-40gb": "a100_40gb",
        "A100 80GB": "a100",
        "a100-pcie-80gb": "a100_pcie",
        "rtx-a6000": "rtx_a6000",
        "A6000": "rtx_a6000",
        "RTX 4090": "rtx4090",
        "rtx-3090-ti": "rtx3090ti",
        "h100 sxm": "h100",
        "RTX PRO 6000 Max-Q": "rtx_pro_6000_max_q",
        "NVIDIA H100 NVL": "h100_nvl",
        "Tesla V100-SXM2-16GB": "v100_16gb",
    }
    assert {name: find_device(name).name for name in written} == written


def test_the_documentation_counts_the_devices():
    page = (Path(__file__).parents[2] / "docs" / "predicting.md").read_text("utf-8")
    assert f"`archbench devices` lists {len(published_devices())} devices" in page


def test_no_two_devices_share_a_name():
    catalogue = published_devices()
    aliases = published_aliases()
    letters = ["".join(filter(str.isalnum, name)) for name in [*catalogue, *aliases]]
    assert len(set(letters)) == len(letters)
    assert set(aliases.values()) <= set(catalogue)


# Tensor cores from Ampere on, compute capability 8.0, take every 16-bit format at one rate and TF32 at half of it.
TENSOR_CARDS = [device for device in published_devices().values() if (device.compute_capability or 0) >= 8]


@pytest.mark.parametrize("device", TENSOR_CARDS, ids=lambda device: device.name)
def test_the_rates_of_a_tensor_core_are_in_its_proportions(device):
    rates = device.peak_flop_per_s
    assert rates["bf16"] == rates["fp16"]
    # Makers round: 1,100 of 2,250 (B200), 733 of 362 (L40S).
    assert rates["tf32"] == pytest.approx(rates["fp16"] / 2, rel=0.03)
    if device.compute_capability >= 8.9:
        assert rates["fp8"] == pytest.approx(2 * rates["fp16"], rel=0.03)
    else:
        assert "fp8" not in rates
    # Integers accumulate in 32 bits at full rate; GeForce cards halve only the rate of 16-bit floats.
    times = 4 if "GeForce" in device.title else 2
    assert rates["int8"] == pytest.approx(times * rates["fp16"], rel=0.03)


GA102 = ["rtx3080", "rtx3090", "rtx3090ti", "rtx_a6000", "a40", "a10", "a10g", "rtx_a5000"]
AD102 = ["rtx4080", "rtx4090", "rtx_6000_ada", "l40", "l40s"]
GB202 = ["rtx5080", "rtx5090", "rtx_pro_6000", "rtx_pro_6000_max_q", "rtx_pro_6000_server"]


@pytest.mark.parametrize("name", [*GA102, *AD102, *GB202])
def test_consumer_cards_accumulate_in_32_bits_at_half_rate(name):
    # Four tensor FLOPs per FLOP of the cores (NVIDIA GA102, Ada and RTX Blackwell whitepapers, appendix A): RTX A6000
    # 154.8 of 38.7, RTX 3090 71 of 35.6. NVIDIA publishes half of it for the A10G and the L40 too.
    device = find_device(name)
    halved = "GeForce" in device.title or name in ("a10g", "l40")
    assert device.peak("fp16") == pytest.approx((2 if halved else 4) * device.peak("fp32"), rel=0.03)


@pytest.mark.parametrize(
    ("name", "cores", "clock_hz"),
    [
        # Appendix A of the architecture whitepapers, boost clocks.
        ("rtx3080", 8704, 1.71e9), ("rtx3090", 10496, 1.695e9), ("rtx3090ti", 10752, 1.86e9),
        ("rtx_a6000", 10752, 1.8e9), ("rtx4080", 9728, 2.505e9), ("rtx4090", 16384, 2.52e9),
        ("rtx_6000_ada", 18176, 2.505e9), ("rtx5080", 10752, 2.617e9), ("rtx5090", 21760, 2.407e9),
        ("rtx_pro_6000", 24064, 2.617e9), ("rtx_pro_6000_max_q", 24064, 2.28e9), ("rtx_pro_6000_server", 24064, 2.43e9),
        ("a100_40gb", 6912, 1.41e9), ("v100_16gb", 5120, 1.53e9), ("rtx2080ti", 4352, 1.545e9),
    ],
)  # fmt: skip
def test_the_fp32_rate_is_that_of_the_cores(name, cores, clock_hz):
    assert find_device(name).peak("fp32") == pytest.approx(2 * cores * clock_hz, rel=0.005)


@pytest.mark.parametrize(
    "names",
    [
        ["h20", "h100_pcie", "h100_nvl", "h100", "b200"],
        ["rtx2080ti", "rtx3080", "rtx3090", "rtx3090ti", "rtx4080", "rtx4090", "rtx5090"],
        ["rtx_pro_6000_max_q", "rtx_pro_6000_server", "rtx_pro_6000"],
        ["a10g", "a10", "a40", "rtx_a6000", "l40", "l40s"],
    ],
)
def test_faster_cards_have_higher_half_precision_rates(names):
    rates = [find_device(name).peak("fp16") for name in names]
    assert rates == sorted(set(rates))


def test_forms_of_a_card_differ_in_memory_bandwidth_and_power():
    # NVIDIA A100 datasheet: 1,555 GB/s with 40 GB; 2,039 (SXM, 400 W) and 1,935 GB/s (PCIe, 300 W) with 80 GB.
    forms = {name: find_device(name) for name in ("a100", "a100_pcie", "a100_40gb", "a100_pcie_40gb")}
    assert [form.bandwidth_bytes_per_s / 1e9 for form in forms.values()] == [2039, 1935, 1555, 1555]
    assert [form.power_w for form in forms.values()] == [400, 300, 400, 250]
    assert {form.peak("bf16") for form in forms.values()} == {312e12}
    # Only the SXM form has NVLink to all others.
    assert [form.interconnect for form in forms.values()] == ["NVLink", "PCIe", "NVLink", "PCIe"]


def test_rates_of_8_bits_are_not_offered_for_a_model():
    with pytest.raises(DeviceError, match=r"no bf16 rate is known for t4; known are fp32, fp16;"):
        find_device("t4").peak("bf16")


def test_the_ridge_is_peak_over_bandwidth():
    # 312e12 / 2.039e12 = 153.0 FLOP a byte
    assert find_device("a100").ridge("bf16") == pytest.approx(153.0, abs=0.05)


def test_an_unknown_device_or_dtype_names_the_nearest():
    with pytest.raises(DeviceError, match="unknown device 'b20'; did you mean 'b200'"):
        find_device("b20")
    with pytest.raises(DeviceError, match="unknown device 'RTX A600'; did you mean 'rtx_a6000'"):
        find_device("RTX A600")
    with pytest.raises(DeviceError, match="no bf16 rate is known for v100; known are fp32, fp16"):
        find_device("v100").peak("bf16")


# As drivers name them.
CARDS = {
    "NVIDIA B200": "b200",
    "NVIDIA H200": "h200",
    "NVIDIA H200 NVL": "h200_nvl",
    "NVIDIA H100 PCIe": "h100_pcie",
    "NVIDIA H100 NVL": "h100_nvl",
    "NVIDIA H20": "h20",
    "NVIDIA A100 80GB PCIe": "a100_pcie",
    "NVIDIA A100-SXM4-40GB": "a100_40gb",
    "A100-SXM4-40GB": "a100_40gb",
    "NVIDIA A100-PCIE-40GB": "a100_pcie_40gb",
    "Tesla V100-SXM2-16GB": "v100_16gb",
    "NVIDIA A10": "a10",
    "NVIDIA A10G": "a10g",
    "NVIDIA A40": "a40",
    "NVIDIA A30": "a30",
    "NVIDIA L40": "l40",
    "NVIDIA RTX A6000": "rtx_a6000",
    "NVIDIA RTX A5000": "rtx_a5000",
    "NVIDIA RTX 6000 Ada Generation": "rtx_6000_ada",
    "NVIDIA GeForce RTX 5080": "rtx5080",
    "NVIDIA GeForce RTX 4080": "rtx4080",
    "NVIDIA GeForce RTX 3090 Ti": "rtx3090ti",
    "NVIDIA GeForce RTX 2080 Ti": "rtx2080ti",
    "NVIDIA GeForce GTX 1080 Ti": "gtx1080ti",
    "AMD Instinct MI325X": "mi325x",
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
    *("NVIDIA H200 MIG 1g.18gb", "NVIDIA GH200 480GB", "NVIDIA GB200", "NVIDIA H20-3e", "NVIDIA A10-24Q"),
    *("NVIDIA H100 80GB HBM3 MIG 3g.40gb", "NVIDIA A100-SXM4-40GB MIG 1g.5gb", "NVIDIA A100-SXM-64GB"),
    *("NVIDIA H100", "NVIDIA A100", "NVIDIA A100-40C", "Tesla V100-PCIE-32GB", "Tesla V100-PCIE-16GB"),
    *("NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA GeForce RTX 4090 D", "NVIDIA GeForce RTX 4080 SUPER"),
    *("NVIDIA RTX A6000-48Q", "NVIDIA RTX A5000 Laptop GPU", "NVIDIA RTX PRO 6000 Blackwell", "NVIDIA A100X"),
    # Its driver does not tell 10 GB from 12 GB, which have different numbers of cores.
    "NVIDIA GeForce RTX 3080",
    *("NVIDIA GeForce RTX 3090 with Max-Q Design", "NVIDIA GeForce GTX 1080", ""),
]


@pytest.mark.parametrize(("own_name", "name"), CARDS.items())
def test_a_card_is_found_by_its_driver_s_name(own_name, name):
    assert published_device(own_name) == published_devices()[name]


@pytest.mark.parametrize("own_name", OTHER_CARDS)
def test_no_part_and_no_other_form_of_a_card_is_taken_for_it(own_name):
    assert published_device(own_name) is None


def test_cards_made_for_servers_are_marked():
    devices = published_devices()
    data_center = {name for name, device in devices.items() if device.is_data_center}
    # HBM, or GDDR on a card that a server cools.
    servers = "v100 t4 a100 a100_pcie_40gb a10 a10g a30 a40 l4 l40 l40s h100 h100_nvl h20 h200 b200 rtx_pro_6000_server"
    assert set(servers.split()) <= data_center
    # Consumer and workstation cards, and CPUs.
    others = "rtx4080 rtx4090 rtx5090 rtx_a6000 rtx_6000_ada rtx_pro_6000 rtx_pro_6000_max_q m1 cpu i9_10940x"
    assert not set(others.split()) & data_center


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
