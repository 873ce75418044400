from __future__ import annotations

import json

import pandas as pd
import pytest
import torch
from torch import nn

import archbench
from archbench import DeviceError, InputError, UsageError


def test_memory_of_a_linear_layer_by_hand():
    # Weights 4 * 4 + 4 = 20, inputs 2 * 4 = 8, outputs 2 * 4 = 8 numbers of 4 bytes.
    (row,) = archbench.memory(nn.Linear(4, 4), torch.empty(2, 4)).rows
    assert (row.model, row.batch, row.mode, row.optimizer) == ("Linear", 2, "eval", "")
    assert (row.peak_bytes, row.params_bytes, row.input_bytes) == (4 * 36, 4 * 20, 4 * 8)
    assert (row.gradient_bytes, row.optimizer_bytes) == (0, 0)
    assert (row.workspace_bytes, row.rounding_bytes) == (None, None)


def test_memory_in_training_adds_gradients_and_the_optimizers_state():
    # Adam keeps two tensors of each parameter's size: 2 * 20 numbers, SGD none.
    linear, inputs = nn.Linear(4, 4), torch.empty(2, 4)
    adam, sgd = (archbench.memory(linear, inputs, mode="train", optimizer=name).rows[0] for name in ("adam", "sgd"))
    assert (adam.optimizer_bytes, sgd.optimizer_bytes) == (4 * 40, 0)
    assert adam.gradient_bytes > 0
    half = archbench.memory(linear, inputs, mode="train", optimizer="adam", dtype="bf16").rows[0]
    assert (half.dtype, half.params_bytes, half.optimizer_bytes) == ("bf16", 2 * 20, 2 * 40)
    assert linear.weight.dtype == torch.float32


def test_memory_has_a_row_per_model_and_batch():
    estimate = archbench.memory(["lenet", "alexnet"], batch=[1, 8])
    assert [(row.model, row.batch) for row in estimate.rows] == [
        ("lenet", 1), ("lenet", 8), ("alexnet", 1), ("alexnet", 8)
    ]  # fmt: skip
    assert repr(estimate).startswith("<MemoryEstimate of alexnet, eval, batch 8: 27")
    assert repr(estimate).endswith(" MiB, largest of 4 rows>")


def test_memory_is_what_the_command_writes(archbench_command):
    estimate = archbench.memory("alexnet", batch=2, mode="train", device="h200")
    arguments = ("memory", "alexnet", "--batch", "2", "--mode", "train", "--device", "h200")
    assert estimate.to_dict() == json.loads(archbench_command(*arguments, "--format", "json"))
    assert estimate.layers.to_dict() == json.loads(archbench_command(*arguments, "--layers", "--format", "json"))
    assert estimate.timeline.to_dict() == json.loads(archbench_command(*arguments, "--timeline", "--format", "json"))


def test_a_memory_estimate_shows_itself(tmp_path):
    estimate = archbench.memory("lenet", mode="train")
    assert str(estimate).startswith("train, fp32, momentum (foreach)\nModel")
    assert repr(estimate).startswith("<MemoryEstimate of lenet, train, batch 1: ")
    assert "<table" in estimate._repr_html_()
    frame = estimate.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert frame["peak_bytes"].tolist() == [estimate.rows[0].peak_bytes]
    assert estimate.to_dict()[0]["peak_bytes"] == estimate.rows[0].peak_bytes
    estimate.save(tmp_path / "memory.csv")
    assert (tmp_path / "memory.csv").read_text().startswith("model,batch,mode,optimizer,dtype,peak_bytes")


def test_layers_and_timeline_of_a_memory_estimate_agree_with_it():
    estimate = archbench.memory("lenet", batch=4, mode="train")
    assert max(moment.total_bytes for moment in estimate.timeline.rows) == estimate.rows[0].peak_bytes
    assert [row.name for row in estimate.layers.rows] == [row.name for row in archbench.summarize("lenet").rows]
    assert repr(estimate.layers) == f"<RecordTable: {len(estimate.layers.rows)} rows>"


def test_memory_finds_the_largest_batch_that_fits():
    (row,) = archbench.memory("lenet", mode="train", fit="1MiB").rows
    assert row.batch == archbench.largest_batch("lenet", "1MiB")
    assert row.needed_bytes <= 2**20 < archbench.memory("lenet", mode="train", batch=row.batch + 1).rows[0].needed_bytes


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"mode": "test"}, UsageError, r"mode='test' is not one of eval, train"),
        ({"dtype": "bf61"}, UsageError, r"dtype='bf61' is not one of .*; did you mean 'bf16'\?"),
        ({"optimizer": "adan"}, UsageError, r"optimizer='adan' is not one of none, sgd, .*; did you mean 'adam'\?"),
        ({"optimizer_form": "for"}, UsageError, r"optimizer_form='for' is not one of foreach, fused, loop"),
        ({"layout": "nhcw"}, UsageError, r"layout='nhcw' is not one of nchw, nhwc; did you mean 'nhwc'\?"),
        ({"checkpoint": "2"}, UsageError, r"checkpoint='2' requires mode='train'"),
        ({"device": "b20"}, DeviceError, r"unknown device 'b20'; did you mean 'b200'\?"),
        ({"batch": 0}, UsageError, r"batch=0 is not a whole number from 1"),
        ({"mode": "train", "weight_decay": -1}, UsageError, "weight_decay=-1 is not a number from 0"),
        ({"batch": []}, UsageError, r"batch=\[\] is not a whole number from 1"),
        ({"fit": "1GiB", "batch": 2}, UsageError, r"fit='1GiB' determines the batch; leave batch=2 out"),
        ({"fit": 0}, UsageError, r"fit=0 is not a number of bytes above 0"),
        ({"fit": "1KiB"}, DeviceError, r"more than fit='1KiB'; not even one sample fits; .* dtype='bf16' or smaller"),
        ({"fit": "1GB2"}, InputError, "'1GB2' is not a size"),
    ],
)
def test_memory_names_the_argument_that_is_wrong(arguments, error, message):
    with pytest.raises(error, match=message):
        archbench.memory("lenet", **arguments)


def test_details_of_several_runs_are_refused():
    estimate = archbench.memory("lenet", batch=[1, 2])
    with pytest.raises(UsageError, match="layers shows a single row, not 2"):
        _ = estimate.layers
    with pytest.raises(UsageError, match="models is empty"):
        archbench.memory([])


def test_memory_keeps_every_module_of_one_class_and_takes_names():
    small, large = nn.Linear(4, 4), nn.Linear(4, 8)
    assert [row.model for row in archbench.memory([small, large], torch.empty(2, 4)).rows] == ["Linear", "Linear (2)"]
    named = archbench.memory({"small": small, "large": large}, "4")
    assert {row.model: row.params_bytes for row in named.rows} == {"small": 4 * 20, "large": 4 * 40}


def test_layers_have_totals_and_of_peaks_the_largest():
    for mode in ("eval", "train"):
        estimate = archbench.memory("lenet", mode=mode)
        table = estimate.layers.to_table()
        assert table.totals["param_bytes"] == sum(row["param_bytes"] for row in table.rows)
        peaks = [row["forward_peak_bytes"] for row in table.rows]
        assert table.totals["forward_peak_bytes"] == max(peaks)
        assert ("saved_bytes" in table.totals) == (mode == "train")
        assert not table.notes
    # In inference the largest of the layers' peaks is that of the model.
    lenet = archbench.memory("lenet")
    assert lenet.layers.to_table().totals["forward_peak_bytes"] == lenet.rows[0].peak_bytes
