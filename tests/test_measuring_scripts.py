"""The scripts that measure the zoo and the measuring itself; what they measure is not run here."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest

from archbench.address import model_names
from archbench.store.records import Configuration, Result
from benchmarks import repeatability
from results import measure_throughput


@pytest.fixture
def gpu_grid(monkeypatch):
    monkeypatch.setattr(measure_throughput, "device_name", lambda kind: "NVIDIA H200")
    return [configuration for _, configuration in measure_throughput.grid("cuda", None)]


def test_a_gpus_grid_has_every_model_and_at_most_a_hundred_configurations(gpu_grid):
    assert len(set(gpu_grid)) == len(gpu_grid) <= 100
    assert {configuration.model for configuration in gpu_grid} == set(model_names())
    # One of each family, at two batches in three dtypes.
    plain = {(c.model, c.batch, c.dtype) for c in gpu_grid if c.mode == "eval" and not (c.compiled or c.graphs)}
    for model in ("lenet5", "alexnet", "zfnet", "vgg16"):
        assert {(model, batch, dtype) for batch in (1, 256) for dtype in ("fp32", "tf32", "bf16")} <= plain
    # What is held to 70% of the measured ceiling.
    vgg16 = next(c for c in gpu_grid if c.model == "vgg16")
    assert replace(vgg16, batch=256, dtype="bf16", layout="nhwc", compiled=True) in gpu_grid
    for model in ("alexnet", "vgg16", "vgg16_bn"):
        of_model = [c for c in gpu_grid if c.model == model]
        assert {c.layout for c in of_model} == {"nchw", "nhwc"}
        assert any(c.mode == "train" for c in of_model)
        assert any(c.graphs for c in of_model)
        assert any(c.compiled for c in of_model)


def test_a_cpus_grid_has_every_model_at_two_batches():
    found = [configuration for _, configuration in measure_throughput.grid("cpu", None)]
    assert {(c.model, c.batch) for c in found} == {(model, batch) for model in model_names() for batch in (1, 32)}
    assert {(c.dtype, c.mode) for c in found} == {("fp32", "eval")}


def test_the_table_and_the_newest_environment_are_written(tmp_path):
    what = Configuration("lenet", "1x32x32", "cuda", "NVIDIA H200", "eval", 1, "bf16", "nchw", False, False, 0)
    old = Result("a", "2026-01-01", "here", what, "ok", images_per_s=1.5, environment={"torch": "2.11"})
    new = Result("b", "2026-02-01", "here", what, "oom", environment={"torch": "2.15"})
    measure_throughput.write([new, old], tmp_path, "NVIDIA H200")
    with (tmp_path / "nvidia_h200_throughput.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["model"], row["status"], row["images_per_s"]) for row in rows] == [
        ("lenet", "oom", ""),
        ("lenet", "ok", "1.5"),
    ]
    document = json.loads((tmp_path / "nvidia_h200_environment.json").read_text())
    assert document == {"device": "NVIDIA H200", "torch": "2.15"}


def test_repeatability_says_how_far_invocations_are_apart_and_how_many_trials_are_called_different():
    rows = [{"kind": "invocation", "images_per_s": rate} for rate in ("98", "100", "101")]
    verdicts = ["faster", repeatability.SAME, repeatability.SAME]
    trials = [
        {"kind": "trial", "verdict": verdict, "p_value": p}
        for verdict, p in zip(verdicts, (0.01, 0.04, 0.5), strict=True)
    ]
    # 98 is 2% below the median, 101 is 3 / 98 = 3.06% above 98.
    assert list(repeatability.summary([*rows, *trials])) == [
        "3 invocations: at most 2.00% from their median, 3.06% from one to another",
        "3 trials of A against A: 1 called different; by the test alone 2",
    ]
    assert list(repeatability.summary([])) == []
