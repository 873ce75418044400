from __future__ import annotations

import json

import pytest

import archbench
from archbench.hardware import ceilings


@pytest.fixture(autouse=True)
def data_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


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


def test_devices_measured_on_this_machine_are_stored_and_then_listed(monkeypatch, capsys, caplog):
    monkeypatch.setattr(ceilings, "_COPY_BYTES", {"cpu": 2**20})
    monkeypatch.setattr(ceilings, "_PRODUCT_SIZES", {"cpu": (32, 64)})
    monkeypatch.setattr(ceilings, "_BLOCK_S", {"cpu": 0.001})
    monkeypatch.setattr(ceilings.torch.cuda, "is_available", lambda: False)
    caplog.set_level("INFO", logger="archbench")
    (device,) = archbench.devices(measure=True).rows
    assert (device.name, device.is_measured) == ("this_cpu", True)
    assert "measured this_cpu, stored in" in caplog.text
    assert capsys.readouterr() == ("", "")
    assert device in archbench.devices().rows
