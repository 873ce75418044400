"""What a machine's devices are called. There is no GPU; what its process says is scripted."""

from __future__ import annotations

import pytest

from archbench.errors import DeviceError
from archbench.host import machine


@pytest.fixture
def gpu(monkeypatch):
    """Let the process that is asked for a GPU's name run such a script instead."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)

    def use(script):
        monkeypatch.setattr(machine, "_PRINT_GPU_NAME", script)

    return use


def test_a_gpu_has_the_name_that_cuda_reports(gpu, monkeypatch):
    # Which of several it is, and whether a part of one, is CUDA's to say; there need be no tool of the driver's.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-c0ffee")
    monkeypatch.setenv("PATH", "")
    assert "torch.cuda.get_device_name()" in machine._PRINT_GPU_NAME
    gpu("print('NVIDIA H200 MIG 1g.18gb')")
    assert machine.device_name("cuda") == "NVIDIA H200 MIG 1g.18gb"


def test_a_gpu_that_cannot_be_queried_is_an_error_of_one_line(gpu):
    gpu("raise RuntimeError('CUDA driver initialization failed')")
    with pytest.raises(DeviceError) as raised:
        machine.device_name("cuda")
    assert str(raised.value) == "the GPU does not report its name: RuntimeError: CUDA driver initialization failed"
