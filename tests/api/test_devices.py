from __future__ import annotations

import json
from dataclasses import replace

import pytest

import archbench
from archbench.errors import MeasurementError
from archbench.hardware import ceilings
from archbench.hardware.catalogue import published_devices
from archbench.hardware.device import MeasuredRate
from archbench.measure.bench import device_rates


@pytest.fixture(autouse=True)
def data_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path


def test_devices_are_what_the_command_writes(archbench_command):
    devices = archbench.devices()
    assert devices.to_dict() == json.loads(archbench_command("devices", "--format", "json"))
    h200 = devices.to_frame().set_index("name").loc["h200"]
    assert h200["bf16_flop_per_s"] == 989e12
    assert h200["memory_bytes"] == devices.rows[[device.name for device in devices.rows].index("h200")].memory_bytes


def test_devices_show_themselves():
    devices = archbench.devices()
    assert repr(devices).startswith("<Devices: gtx580, ")
    title, header = str(devices).splitlines()[:2]
    assert title.startswith("dense")
    assert header.split()[0] == "Device"
    assert "<table" in devices._repr_html_()


@pytest.fixture
def measure(monkeypatch):
    """Return a function that measures a machine of one CPU with `rate_of`, which measures a configuration."""
    cpu = replace(published_devices()["cpu"], name="this_cpu", is_measured=True, power_w=None, threads=1)
    cpu = replace(cpu, convolution_flop_per_s={"fp32": 2e11}, depthwise_flop_per_s={"fp32": 3e10})

    def measure(rate_of):
        monkeypatch.setattr(ceilings, "measure_devices", lambda threads: iter([cpu]))
        monkeypatch.setattr(device_rates, "measure_rate", rate_of)
        return archbench.devices(measure=True)

    return measure


def rate_of(configuration):
    return MeasuredRate(configuration.model, "eval", "fp32", "nchw", configuration.batch, 45.25)


def test_devices_measured_on_this_machine_are_stored_and_then_listed(measure, capsys, caplog):
    caplog.set_level("INFO", logger="archbench")
    (device,) = measure(rate_of).rows
    assert (device.name, device.is_measured, len(device.measured_rates)) == ("this_cpu", True, 4)
    assert "this_cpu: vit_b_16 batch 2: 45.2 images/s" in caplog.messages
    assert "measured this_cpu, stored in" in caplog.text
    assert capsys.readouterr() == ("", "")
    assert device in archbench.devices().rows


def test_measured_devices_show_rates_of_convolutions_and_models(measure, archbench_command):
    devices = measure(rate_of)
    text = " ".join(str(devices).split())
    assert (
        "this_cpu: 3x3 convolution 200.0G FLOP/s; 7x7 depthwise 30.00G FLOP/s; resnet18 batch 8: 45.2 images/s;" in text
    )
    (row,) = devices.to_dict()
    assert (row["fp32_convolution_flop_per_s"], row["fp32_depthwise_flop_per_s"]) == (2e11, 3e10)
    first = {"model": "torchvision:resnet18", "mode": "eval", "dtype": "fp32", "layout": "nchw", "batch": 8}
    assert row["measured_rates"][0] == {**first, "images_per_s": 45.25}
    assert row in json.loads(archbench_command("devices", "--format", "json"))
    assert "torchvision:resnet18 eval fp32 nchw batch 8: 45.25 images/s; " in archbench_command(
        "devices", "--format", "csv"
    )


def test_a_model_that_fails_is_left_out_with_a_warning(measure, caplog):
    def fail_for_vit(configuration):
        if configuration.model == "torchvision:vit_b_16":
            raise MeasurementError("torchvision:vit_b_16: out of memory")
        return rate_of(configuration)

    (device,) = measure(fail_for_vit).rows
    assert [rate.batch for rate in device.measured_rates] == [8, 8, 1]
    assert "this_cpu: batch 2 was not measured: torchvision:vit_b_16: out of memory" in caplog.messages


def test_interrupted_while_models_are_timed_the_device_stays_as_it_was(measure, data_home):
    measure(rate_of)
    stored = (data_home / "archbench" / "devices.json").read_bytes()

    def interrupt(configuration):
        if configuration.batch == 1:
            raise KeyboardInterrupt
        return replace(rate_of(configuration), images_per_s=1.0)

    with pytest.raises(KeyboardInterrupt):
        measure(interrupt)
    assert (data_home / "archbench" / "devices.json").read_bytes() == stored
    assert [path.name for path in (data_home / "archbench").iterdir()] == ["devices.json"]


@pytest.mark.slow
def test_this_machine_is_measured_in_earnest(monkeypatch):
    # Smaller sizes, one model: the others are run in tests of their rates.
    monkeypatch.setattr(ceilings, "_COPY_BYTES", {"cpu": 2**20})
    monkeypatch.setattr(ceilings, "_PRODUCT_SIZES", {"cpu": (32, 64)})
    monkeypatch.setattr(ceilings, "_BLOCK_S", {"cpu": 0.001})
    monkeypatch.setattr(ceilings.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(device_rates, "_CPU_BATCHES", (("mobilenet_v2", 1),))
    threads = ceilings.torch.get_num_threads()
    (device,) = archbench.devices(measure=True).rows
    (rate,) = device.measured_rates
    assert rate.model == "torchvision:mobilenet_v2"
    # 0.6 GFLOPs per image: no device reaches 1 PFLOP/s, and any can do one image in a minute.
    assert 1 / 60 < rate.images_per_s < 1e6
    assert ceilings.torch.get_num_threads() == threads
    assert device in archbench.devices().rows
