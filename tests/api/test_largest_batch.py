from __future__ import annotations

import json

import pytest
from torch import nn

import archbench
from archbench import DeviceError, InputError, UsageError


def test_largest_batch_by_hand():
    # Eval needs 4 bytes * (20 parameters + 4 inputs and 4 outputs per sample): 800 = 80 + 32 * 22.5.
    assert archbench.largest_batch(nn.Linear(4, 4), 800, inputs="4", mode="eval") == 22
    assert archbench.largest_batch(nn.Linear(4, 4), 80 + 32 * 22, inputs="4", mode="eval") == 22
    assert archbench.largest_batch(nn.Linear(4, 4), 80, inputs="4", mode="eval") == 0


@pytest.mark.slow
def test_largest_batch_takes_a_size_or_a_device(archbench_command):
    assert archbench.largest_batch("alexnet", "2GiB") == archbench.largest_batch("alexnet", 2 * 2**30)
    (row,) = json.loads(archbench_command("memory", "alexnet", "--mode", "train", "--fit", "t4", "--format", "json"))
    assert archbench.largest_batch("alexnet", "t4") == row["batch"]


def test_largest_batch_may_begin_at_two():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    assert archbench.largest_batch(model, "1MiB", inputs="4") > 2
    assert archbench.largest_batch(model, 64, inputs="4") == 0


@pytest.mark.parametrize(
    ("memory", "error", "message"),
    [
        ("t5", DeviceError, r"unknown device 't5'; did you mean 't4'\?"),
        ("24Gib2", InputError, "'24Gib2' is not a size"),
        (-1, UsageError, "memory=-1 is not a number of bytes above 0"),
    ],
)
def test_largest_batch_names_a_wrong_memory(memory, error, message):
    with pytest.raises(error, match=message):
        archbench.largest_batch("lenet", memory)
