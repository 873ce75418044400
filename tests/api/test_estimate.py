from __future__ import annotations

import json

import pytest
import torch
from torch import nn

import archbench
from archbench import DeviceError, InputError, UsageError
from archbench.hardware.device import Device

# 1 TFLOP/s, 1 TB/s, 1 GiB.
TOY = Device("toy", "Toy", 2026, 2**30, 1e12, {"fp32": 1e12}, power_w=100.0, interconnect_bytes_per_s=1e9)


def test_estimate_of_a_linear_layer_by_hand():
    # 4 * (1024 * 1024 + 1024 + 2 * 1024) bytes at 90% of the bandwidth and one launch; the arithmetic, 2 MFLOP at half
    # of the peak, hides up to the rounding of a smooth maximum.
    (row,) = archbench.estimate(nn.Linear(1024, 1024), TOY, inputs="1024", efficiency=0.5).rows
    assert row.step_s == pytest.approx(4 * (1024**2 + 3 * 1024) / 0.9e12 + 2.5e-6, rel=0.01)
    assert (row.model, row.device, row.mode, row.batch, row.bound) == ("Linear", "toy", "eval", 1, "memory")
    assert row.images_per_s == 1 / row.step_s
    assert (row.hours, row.energy_kwh, row.price) == (None, None, None)


def test_estimate_of_a_training_by_hand():
    # 3600 images per epoch, two epochs; energy is 100 W times the hours, and the price 3 per hour.
    (row,) = archbench.estimate("lenet", TOY, dataset=3600, epochs=2, price=3).rows
    assert row.mode == "train"
    assert row.hours == pytest.approx(2 / row.images_per_s)
    assert row.energy_kwh == pytest.approx(row.hours * 0.1)
    assert row.price == pytest.approx(row.hours * 3)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ({"batch": 8, "compile": True}, ["--batch", "8", "--compile"]),
        ({"batch": 8, "compile": True}, ["--batch", "8", "--fused"]),
        ({"count": [1, 8], "global_batch": 100}, ["--devices", "1,8", "--global-batch", "100"]),
        ({"dataset": "imagenet", "epochs": 90}, ["--dataset", "imagenet", "--epochs", "90"]),
        ({"efficiency": 0.5, "layout": "nhwc", "mode": "train"}, "--efficiency 0.5 --layout nhwc --mode train".split()),
    ],
)  # fmt: skip
def test_estimate_is_what_the_command_writes(archbench_command, arguments, options):
    estimate = archbench.estimate("alexnet", "v100", **arguments)
    command = ("estimate", "alexnet", "--device", "v100", *options, "--format", "json")
    assert estimate.to_dict() == json.loads(archbench_command(*command))


def test_layers_and_plans_are_what_the_command_writes(archbench_command):
    command = ("estimate", "alexnet", "--device", "v100", "--batch", "16", "--format", "json")
    layers = archbench.estimate("alexnet", "v100", batch=16).layers
    assert layers.to_dict() == json.loads(archbench_command(*command, "--layers"))
    plans = archbench.estimate("alexnet", "v100", batch=16, count=8).plans
    assert plans.to_dict() == json.loads(archbench_command(*command, "--devices", "8", "--plans"))


def test_estimate_has_a_row_per_model_device_batch_and_count():
    estimate = archbench.estimate(["lenet", "alexnet"], ["v100", "h200"], batch=[1, 8], mode="train", count=[1, 2])
    assert [(row.model, row.device, row.batch, row.devices) for row in estimate.rows] == [
        (model, device, batch, count)
        for model in ("lenet", "alexnet")
        for device in ("v100", "h200")
        for batch in (1, 8)
        for count in (1, 2)
    ]


def test_several_models_and_devices_of_the_command_are_rows(archbench_command):
    command = ("estimate", "lenet", "alexnet", "--device", "v100", "--device", "h200", "--format", "csv")
    lines = archbench_command(*command).splitlines()
    assert [line.split(",")[:2] for line in lines[1:]] == [
        ["lenet", "v100"], ["lenet", "h200"], ["alexnet", "v100"], ["alexnet", "h200"]
    ]  # fmt: skip


def test_an_estimate_names_the_link_of_several_devices():
    rows = archbench.estimate("lenet", "a100", count=[1, 8, 9]).rows
    assert [row.link for row in rows] == [
        None, "NVLink 300 GB/s", "NVLink 300 GB/s, InfiniBand 25 GB/s between hosts of 8"
    ]  # fmt: skip
    given = archbench.estimate("lenet", ["a100", "m1"], count=64, interconnect="25GB")
    assert {row.link for row in given.rows} == {"as given 25 GB/s"}
    assert given.to_dict()[0]["link"] == "as given 25 GB/s"
    assert "Links: as given 25 GB/s." in str(given)


def test_more_devices_than_a_host_holds_wait_for_the_network():
    # PCIe within a host, 25 Gbit/s between hosts: two hosts of 8 are slower than one.
    eight, sixteen = archbench.estimate("alexnet", "rtx4090", batch=64, count=[8, 16]).rows
    assert sixteen.images_per_s < eight.images_per_s
    assert sixteen.bound == "communication"


def test_an_estimate_counts_the_samples_of_given_tensors():
    linear = nn.Linear(16, 16)
    given = archbench.estimate(linear, TOY, inputs=torch.empty(8, 16)).rows[0]
    named = archbench.estimate(linear, TOY, inputs="16", batch=8).rows[0]
    assert given == named
    assert given.images_per_s == 8 / given.step_s


def test_an_estimate_names_the_rate_with_tf32_where_torch_would_run_convolutions_in_it():
    note = "By default torch runs convolutions in TF32"
    assert f"{note}: " in str(archbench.estimate("lenet", "h200"))
    assert "(lenet, one h200, batch 1)" in " ".join(str(archbench.estimate("lenet", "h200", count=2)).split())
    assert note not in str(archbench.estimate(nn.Linear(16, 16), "h200", inputs="16"))  # no convolution
    assert note not in str(archbench.estimate("lenet", "mi300x"))  # AMD's libraries have no such default
    assert note not in str(archbench.estimate("lenet", "h200", dtype="tf32"))


def test_a_plain_roofline_shows_no_interval():
    estimate = archbench.estimate("lenet", "h200", efficiency=0.8)
    assert {"Low", "High"}.isdisjoint(str(estimate).splitlines()[1].split())
    (row,) = estimate.to_dict()
    assert (row["images_per_s_low"], row["images_per_s_high"]) == (None, None)


def test_an_estimate_says_whether_it_is_of_a_compiled_model():
    (row,) = archbench.estimate("lenet", "h200", compile=True).to_dict()
    assert row["compiled"] is True
    assert row["is_fused"] is True  # its former name


def test_small_batches_in_a_table_are_named_once():
    words = " ".join(str(archbench.estimate("lenet", "rtx4090", batch=[1, 8, 64], dtype="amp")).split())
    assert words.count("90% interval") == 1
    assert "on this device; wider: few rates for batches below 32." in words
    assert "wider" not in str(archbench.estimate("lenet", "rtx4090", batch=64, dtype="amp"))


def test_the_title_of_a_divided_batch_names_it_whole():
    # 10 samples on 3 and on 4 devices: at most 4 and 3 on each.
    estimate = archbench.estimate("lenet", "rtx4090", global_batch=10, count=[3, 4])
    assert [row.batch for row in estimate.rows] == [4, 3]
    assert str(estimate).splitlines()[0] == "train, fp32, nchw, eager, batch 10 divided among all"


def test_an_estimate_shows_itself(tmp_path):
    estimate = archbench.estimate("lenet", "h200", batch=[1, 64])
    assert str(estimate).startswith("eval, fp32, nchw, eager\nModel  Device")
    assert repr(estimate).startswith("<Estimate of lenet on 1 x h200: ")
    assert repr(estimate).endswith(" images/s, fastest of 2 rows>")
    assert "<table" in estimate._repr_html_()
    assert estimate.to_frame()["images_per_s"].tolist() == [row.images_per_s for row in estimate.rows]
    estimate.save(tmp_path / "estimate.md")
    assert (tmp_path / "estimate.md").read_text().startswith("**eval, fp32, nchw, eager**")


def test_an_estimate_may_ignore_memory():
    with pytest.raises(DeviceError, match=r"lenet needs .* more than the toy has; batch \d+ fits"):
        archbench.estimate("lenet", TOY, batch=2**20)
    assert archbench.estimate("lenet", TOY, batch=2**20, require_fit=False).rows[0].peak_bytes > TOY.memory_bytes


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"devices": "b20"}, DeviceError, r"unknown device 'b20'; did you mean 'b200'\?"),
        ({"devices": []}, UsageError, "devices is empty"),
        ({"devices": "t4", "dtype": "bf16"}, DeviceError, "no bf16 rate is known for t4"),
        ({"devices": "mi300x", "dtype": "tf32"}, UsageError, "dtype='tf32' requires an NVIDIA GPU, not mi300x"),
        ({"count": 0}, UsageError, "count=0 is not a whole number from 1"),
        ({"count": 2**21}, UsageError, "count=2097152 is too large: at most 1048576 devices"),
        ({"count": 8, "mode": "eval"}, UsageError, "count=8 requires mode='train'"),
        ({"count": 8, "global_batch": 4}, UsageError, "global_batch=4 cannot be divided among 8 devices"),
        ({"devices": "m1", "count": 2}, DeviceError, "m1 has no published interconnect; give interconnect='10GB'"),
        ({"interconnect": "1GB"}, UsageError, "interconnect='1GB' requires several devices, such as count=8"),
        ({"interconnect": 0, "count": 2}, UsageError, "interconnect=0 is not a rate; give bytes per second"),
        ({"interconnect": "fast", "count": 2}, InputError, "'fast' is not a size"),
        ({"price": 3}, UsageError, "epochs and price require dataset"),
        ({"dataset": "imgnet"}, UsageError, r"dataset='imgnet' is neither a number nor .*; did you mean 'imagenet'\?"),
        ({"dataset": 0}, UsageError, "dataset=0 has no images"),
        ({"dataset": 1, "epochs": -1}, UsageError, "epochs=-1 is not a number from 0"),
        ({"global_batch": 0}, UsageError, "global_batch=0 "),
        ({"efficiency": 80.0}, UsageError, "efficiency=80.0 is not a fraction of the peak such as 0.8"),
        ({"mode": "test"}, UsageError, "mode='test' is not one of eval, train"),
    ],
)
def test_estimate_names_the_argument_that_is_wrong(arguments, error, message):
    with pytest.raises(error, match=message):
        archbench.estimate("lenet", **{"devices": "h200", **arguments})


def test_details_of_several_predictions_are_refused():
    with pytest.raises(UsageError, match="layers shows a single row, not 2"):
        _ = archbench.estimate("lenet", "h200", batch=[1, 2]).layers
    with pytest.raises(UsageError, match="plans requires several devices, such as count=8"):
        _ = archbench.estimate("lenet", "h200").plans


@pytest.mark.parametrize("devices", [None, 5, [None]])
def test_what_is_not_a_device_is_a_type_error(devices):
    with pytest.raises(TypeError, match=r"a device is a name such as 't4' or one of archbench.devices"):
        archbench.estimate("lenet", devices)
