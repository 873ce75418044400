from __future__ import annotations

import csv
import io
import json
import re

import pytest

CONTRACT = (
    "model batch mode optimizer dtype peak_bytes peak_layer params_bytes gradient_bytes optimizer_bytes "
    "activation_bytes temporary_bytes input_bytes workspace_bytes"
).split()


@pytest.fixture(autouse=True)
def data_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def documents(archbench, *arguments):
    code, out, err = archbench(*arguments, "--format", "json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_memory_has_the_contracts_columns_and_they_sum(archbench):
    code, out, err = archbench("memory", "vgg16", "--mode", "train", "--batch", "1..8", "--format", "csv")
    assert (code, err) == (0, "")
    rows = rows_of(out)
    assert list(rows[0])[: len(CONTRACT)] == CONTRACT
    assert [row["batch"] for row in rows] == ["1", "2", "4", "8"]
    for row in rows:
        parts = ("params", "gradient", "optimizer", "activation", "temporary", "input")
        assert sum(int(row[f"{part}_bytes"]) for part in parts) == int(row["peak_bytes"])
    # Nobody named a device: what its libraries need is not known.
    assert {row["workspace_bytes"] for row in rows} == {""}
    assert rows[0]["optimizer"] == "momentum (foreach)"


def test_memory_agrees_with_summary(archbench):
    (row,) = documents(archbench, "memory", "alexnet", "--mode", "train")
    summary = documents(archbench, "summary", "alexnet", "--mode", "train")
    assert row["peak_bytes"] == summary["totals"]["peak_training_bytes"]


def test_the_table_says_where_the_peak_is(archbench):
    _, out, _ = archbench("memory", "alexnet", "--mode", "train")
    assert "in the backward pass of norm2." in out
    assert "Allocators and libraries need more" in " ".join(archbench("memory", "--help")[1].split())
    assert "Gradients" not in archbench("memory", "alexnet")[1]


def test_precisions_and_optimizers_change_what_is_kept(archbench):
    def of(*arguments):
        (row,) = documents(archbench, "memory", "vgg16", "--mode", "train", *arguments)
        return row

    params = 138_357_544
    assert of()["optimizer_bytes"] == 4 * params
    assert of("--dtype", "bf16")["params_bytes"] == 2 * params
    assert of("--dtype", "amp")["params_bytes"] == 4 * params
    assert of("--optimizer", "sgd")["optimizer_bytes"] == 0
    assert of("--optimizer", "none")["optimizer"] == ""
    # Two averages, and the counters of steps on the device: one of 4 bytes for each of 32 parameters.
    assert of("--optimizer", "adam", "--optimizer-form", "fused")["optimizer_bytes"] == 8 * params + 4 * 32
    assert (
        of("--optimizer", "adam")["peak_bytes"] > of("--optimizer", "adam", "--optimizer-form", "fused")["peak_bytes"]
    )


@pytest.mark.slow
def test_fit_finds_the_largest_batch(archbench):
    (fits,) = documents(archbench, "memory", "alexnet", "--mode", "train", "--fit", "2GiB")
    assert fits["peak_bytes"] <= 2 * 2**30
    (more,) = documents(archbench, "memory", "alexnet", "--mode", "train", "--batch", str(fits["batch"] + 1))
    assert more["peak_bytes"] > 2 * 2**30
    (on_device,) = documents(archbench, "memory", "alexnet", "--mode", "train", "--fit", "t4")
    on_top = on_device["workspace_bytes"] + on_device["rounding_bytes"]
    # 15 GiB by the driver, less half a GiB for its context.
    assert on_device["peak_bytes"] + on_top <= 14.5 * 2**30


def test_layers_and_timeline_are_tables_of_their_own(archbench):
    layers = documents(archbench, "memory", "lenet", "--mode", "train", "--layers")
    assert layers[0]["name"] == "conv1"
    assert {"saved_bytes", "forward_peak_bytes", "backward_peak_bytes"} <= set(layers[0])
    moments = documents(archbench, "memory", "lenet", "--mode", "train", "--timeline")
    assert {moment["phase"] for moment in moments} == {"forward", "backward", "update"}
    (row,) = documents(archbench, "memory", "lenet", "--mode", "train")
    assert max(moment["total_bytes"] for moment in moments) == row["peak_bytes"]


def test_estimate_on_one_device(archbench):
    (row,) = documents(archbench, "estimate", "vgg16", "--device", "rtx4090", "--batch", "64", "--dtype", "amp")
    assert row["images_per_s_low"] < row["images_per_s"] < row["images_per_s_high"]
    assert row["images_per_s"] == pytest.approx(64 / row["step_s"])
    assert (row["mode"], row["devices"], row["hours"], row["scaling"]) == ("eval", 1, None, 1.0)
    (fused,) = documents(
        archbench, "estimate", "vgg16", "--device", "rtx4090", "--batch", "64", "--dtype", "amp", "--fused"
    )
    assert fused["images_per_s"] > row["images_per_s"]


def test_a_data_set_gives_hours_energy_and_a_price(archbench):
    (row,) = documents(
        archbench, "estimate", "alexnet", "--device", "a100", "--batch", "128", "--dataset", "imagenet",
        "--epochs", "90", "--price", "2.5", "--devices", "4",
    )  # fmt: skip
    assert row["mode"] == "train"
    assert row["hours"] == pytest.approx(90 * 1_281_167 / row["images_per_s"] / 3600)
    assert row["energy_kwh"] == pytest.approx(row["hours"] * 4 * 0.4)
    assert row["price"] == pytest.approx(row["hours"] * 4 * 2.5)


def test_a_fixed_global_batch_shows_where_scaling_stops(archbench):
    arguments = ("estimate", "alexnet", "--device", "a100", "--global-batch", "512", "--devices", "1..512")
    rows = documents(archbench, *arguments, "--interconnect", "1GB")
    assert [row["batch"] * row["devices"] for row in rows] == [512] * 10
    scaling = [row["scaling"] for row in rows]
    assert scaling == sorted(scaling, reverse=True)
    assert scaling[0] == 1
    out = archbench(*arguments, "--interconnect", "1GB")[1]
    assert "Scaling stops: " in out
    assert "half of the ideal rate is lost" in out


def test_a_global_batch_that_does_not_divide_counts_its_own_samples(archbench):
    (row,) = documents(archbench, "estimate", "vgg16", "--device", "h200", "--global-batch", "10", "--devices", "8")
    assert row["batch"] == 2
    assert row["images_per_s"] == pytest.approx(10 / row["step_s"])


def test_what_holds_many_devices_back_is_communication(archbench):
    arguments = ("estimate", "alexnet", "--device", "a100", "--batch", "8", "--devices", "64", "--interconnect", "10GB")
    (row,) = documents(archbench, *arguments)
    assert row["bound"] == "communication"


def test_what_no_published_rate_covers_is_said(archbench):
    own = archbench("estimate", "alexnet", "--device", "rtx4090", "--batch", "512", "--dtype", "amp")[1]
    assert re.search(r"90% interval from [\d,]+ models of \d+ families on this device\.", " ".join(own.split()))
    other = archbench("estimate", "alexnet", "--device", "h200", "--dtype", "fp32")[1]
    words = " ".join(other.split())
    assert (
        "No published rates for this device: 90% interval from other devices, widened for a data-center card" in words
    )
    assert "wider: no rates for fp32" in words


MODELS = """
import torch
from torch import nn

class Nothing(nn.Module):
    def forward(self, x):
        return x

class Normed(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(16, 4), nn.BatchNorm1d(4))

class Reads(nn.Linear):
    def __init__(self):
        super().__init__(16, 4)
    def forward(self, x):
        return super().forward(x) if x.sum() < 1e9 else x

class Sparse(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(1000, 4, sparse=True)
    def forward(self, x):
        return self.table(x)
"""


@pytest.fixture
def models(tmp_path):
    path = tmp_path / "odd.py"
    path.write_text(MODELS)
    return path


def test_models_of_every_kind_are_predicted_or_refused_in_one_line(archbench, models):
    code, _, err = archbench("estimate", f"{models}:Nothing", "--input", "16", "--device", "h200")
    assert (code, err.count("\n")) == (2, 1)
    assert "runs no operator that takes time" in err
    (row,) = documents(archbench, "memory", f"{models}:Normed", "--input", "16", "--mode", "train", "--fit", "1MiB")
    assert row["batch"] > 2
    code, _, err = archbench("memory", f"{models}:Reads", "--input", "16", "--fit", "1GiB")
    assert code == 2
    assert "needs real data, because it reads the value of a tensor (aten._local_scalar_dense) in Reads" in err
    assert "; try one --batch after the other" in err
    sparse = ("memory", f"{models}:Sparse", "--input", "12:int64", "--mode", "train")
    code, _, err = archbench(*sparse, "--optimizer", "adam")
    assert code == 2
    assert "adam does not support the sparse gradients of an embedding; use sgd" in err
    (row,) = documents(archbench, *sparse, "--optimizer", "sgd")
    assert row["optimizer_bytes"] == 0


def test_layers_of_an_estimate_sum(archbench):
    rows = documents(archbench, "estimate", "alexnet", "--device", "h100", "--layers")
    (whole,) = documents(archbench, "estimate", "alexnet", "--device", "h100")
    assert sum(row["time_s"] for row in rows) == pytest.approx(whole["step_s"])


def test_plans_show_one_weird_trick(archbench):
    arguments = ("estimate", "vgg16", "--device", "a100", "--batch", "32", "--devices", "8", "--plans")
    rows = documents(archbench, *arguments)
    assert {row["type"]: row["cheaper"] for row in rows} == {"Conv2d": "data", "Linear": "model"}
    out = archbench(*arguments)[1]
    assert "All layers data parallel: " in out
    assert "The cheaper for each layer: " in out


def test_devices_are_listed_with_sources(archbench):
    rows = {row["name"]: row for row in rows_of(archbench("devices", "--format", "csv")[1])}
    assert rows["h200"]["bf16_flop_per_s"] == "989000000000000.0"
    assert rows["gtx580"]["bf16_flop_per_s"] == ""
    assert "datasheet" in rows["h200"]["source"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["memory", "alexnet", "--batch", "512..1"], "did you mean 1..512?"),
        (["memory", "alexnet", "--batch", "1.."], "'1..' is not a valid batch size"),
        (["memory", "alexnet", "--batch", "a"], "'a' is not a valid batch size"),
        (["memory", "alexnet", "--batch", "0..4"], "'0..4' is not a valid batch size"),
        (["memory", "alexnet", "--fit", "t5"], "unknown device 't5'; did you mean 't4'?"),
        (["memory", "alexnet", "--fit", "100MiB"], "137.6 MiB more than --fit 100MiB; not even one sample fits"),
        (["memory", "alexnet", "--fit", "24Gib2"], "'24Gib2' is not a size"),
        (
            ["memory", "alexnet", "--dtype", "bf61"],
            "bf16, fp16, amp, amp-fp16; did you mean 'bf16'?",
        ),
        (
            ["memory", "alexnet", "--device", "v100", "--dtype", "bf16"],
            "no bf16 rate is known for v100; known are fp32, fp16",
        ),
        (["memory", "alexnet", "--layers", "--batch", "1,2"], "--layers shows a single row, not 2"),
        (["memory", "alexnet", "--checkpoint", "2"], "--checkpoint 2 requires --mode train"),
        (["memory", "alexnet", "--optimizer", "adm"], "'adm'"),
        (["memory", "alexnet", "--weight-decay", "-1"], "-1"),
        (["estimate", "alexnet"], "--device"),
        (["estimate", "alexnet", "--device", "b20"], "did you mean 'b200'?"),
        (["estimate", "alexnet", "--device", "t4", "--dtype", "bf16"], "no bf16 rate is known for t4"),
        (["estimate", "vgg16", "--device", "t4", "--batch", "4096", "--mode", "train"], "batch 189 fits"),
        (["estimate", "alexnet", "--device", "m1", "--devices", "2"], "m1 has no published interconnect"),
        (["estimate", "alexnet", "--device", "t4", "--dataset", "imgnet"], "did you mean 'imagenet'?"),
        (
            ["estimate", "alexnet", "--device", "t4", "--efficiency", "0"],
            "--efficiency 0 is not a fraction of the peak",
        ),
        (["estimate", "alexnet", "--device", "t4", "--plans"], "--plans requires several devices, such as --devices 8"),
        (
            ["estimate", "alexnet", "--device", "t4", "--mode", "eval", "--devices", "2"],
            "--devices 2 requires --mode train",
        ),
        (
            ["estimate", "alexnet", "--device", "t4", "--global-batch", "4", "--devices", "8"],
            "cannot be divided among 8",
        ),
        (["estimate", "alexnet", "--device", "t4", "--devices", "2", "--interconnect", "fast"], "'fast' is not a size"),
        (
            ["estimate", "alexnet", "--device", "t4", "--devices", "2", "--interconnect", "0GB"],
            "--interconnect 0GB is not a rate",
        ),
        (
            ["estimate", "alexnet", "--device", "t4", "--interconnect", "1GB"],
            "--interconnect 1GB requires several devices",
        ),
        (["estimate", "alexnet", "--device", "t4", "--dataset", "0"], "--dataset 0 has no images"),
        (["estimate", "alexnet", "--device", "t4", "--price", "3"], "--epochs and --price require --dataset"),
        (
            ["estimate", "alexnet", "--device", "t4", "--layers", "--devices", "2"],
            "--layers shows one step on one device",
        ),
        (["estimate", "alexnet", "--device", "t4", "--devices", "1..9999999999"], "at most 1048576 devices"),
        (
            ["memory", "alexnet", "--fit", "2GiB", "--batch", "4"],
            "--fit 2GiB determines the batch; leave --batch 4 out",
        ),
    ],
)
def test_bad_use_is_one_line_and_exit_code_2(archbench, arguments, message):
    code, out, err = archbench(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.startswith("archbench: ")
    assert err.count("\n") == 1
