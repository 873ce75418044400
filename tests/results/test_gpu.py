"""`results/gpu.py`: its dry run on the CPU, and what it does with steps that fail, hang or do not fit in the time."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archbench.models.address import model_names
from results import gpu, gpu_steps
from results.gpu_steps import Step
from results.gpu_summary import summary
from results.gpu_tables import Tables

SCRIPT = Path(gpu.__file__)
# What a machine with a GPU need not have.
MISSING = ("altair", "fvcore", "hypothesis", "jinja2", "pytest", "vl_convert")


@pytest.mark.slow
def test_the_dry_run_writes_every_table_and_goes_on_where_it_was(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({MISSING!r}))\n")
    out = tmp_path / "out"

    def call(*options):
        command = [sys.executable, str(SCRIPT), "--dry-run", "--folder", str(out), "--minutes", "20", *options]
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "0 of 14 are missing, 0 failed\n" in call()
    assert "0 of 1 are missing, 0 failed\n" in call("--train", "digits", "--epochs", "0.1")
    tables = {path.name.rpartition("_")[2]: list(csv.DictReader(path.open())) for path in out.glob("*.csv")}
    assert set(tables) == {"checks.csv", "memory.csv", "throughput.csv", "training.csv"}
    assert {row["status"] for row in tables["checks.csv"]} == {"ok"}
    assert all(float(row["images_per_s"]) > 0 and float(row["predicted"]) > 0 for row in tables["throughput.csv"])
    # torch's own memory tracker agrees with the prediction on a CPU.
    for row in tables["memory.csv"]:
        assert int(row["measured_bytes"]) == pytest.approx(int(row["predicted_bytes"]), rel=0.01)
    (text,) = (path.read_text() for path in out.glob("*_summary.md"))
    assert re.findall("^## (.*)$", text, re.M) == ["Every path once", "Peak memory", "Images per second", "Training"]
    assert sum(path.stat().st_size for path in out.glob("*.*")) < 50_000

    before = {path: path.read_bytes() for path in out.glob("*.csv")}
    call()
    assert {path: path.read_bytes() for path in out.glob("*.csv")} == before


@pytest.mark.slow
def test_a_step_that_fails_crashes_or_hangs_is_a_row(tmp_path):
    todo = [
        Step("checks", "raises", 60, int, ("seven",)),
        Step("checks", "crashes", 60, os._exit, (3,)),
        Step("checks", "hangs", 0.1, time.sleep, (60,)),
        Step("checks", "runs", 60, dict, ([("figures", "{}")],)),
    ]
    tables = Tables(tmp_path, "this", "2.11")
    gpu.run_steps(todo, tables, time.monotonic() + 200)
    rows = list(csv.DictReader((tmp_path / "this_checks.csv").open()))
    assert rows[0]["reason"].endswith("return self.call(*self.arguments))")
    assert [(row["step"], row["status"], row["reason"].partition("(")[0]) for row in rows] == [
        ("raises", "failed", "ValueError: invalid literal for int"),
        ("crashes", "failed", "the process ended with code 3"),
        ("hangs", "failed", "it had not ended after 0 s"),
        ("runs", "ok", ""),
    ]


@pytest.fixture
def steps(monkeypatch, tmp_path):
    """Run four steps of 10 s, of which the first fails, in so many seconds; return those that ran."""
    now, ran = [0.0], []
    todo = [Step("checks", name, 10, dict) for name in "abcd"]

    def run(step, limit_s):
        ran.append(step.name)
        now[0] += 10
        return {"status": "failed" if step.name == "a" else "ok", "reason": "", "figures": "{}"}

    monkeypatch.setattr(gpu, "run_in_process", run)
    monkeypatch.setattr(gpu.time, "monotonic", lambda: now[0])

    def call(seconds, torch="2.11"):
        before = len(ran)
        tables = Tables(tmp_path, "this", torch)
        gpu.run_steps(todo, tables, now[0] + seconds)
        return "".join(ran[before:]), gpu.progress(todo, tables)

    return call


def test_what_would_not_end_in_time_is_left_and_failures_are_tried_again_last(steps):
    assert steps(25) == ("ab", "2 of 4 are missing, 1 failed; the same command goes on")
    assert steps(25) == ("cd", "0 of 4 are missing, 1 failed; the same command goes on")
    assert steps(25)[0] == "a"
    # Another version of torch is measured anew.
    assert steps(60, "2.12")[0] == "abcd"


def test_a_gpu_has_twelve_configurations_of_memory_and_thirty_of_throughput():
    memory = list(gpu_steps.memory_steps("cuda"))
    assert len({step.name for step in memory}) == 12
    assert {step.arguments[1] for step in memory} == {"eval", "train"}
    assert {step.arguments[3] for step in memory} == {"nchw", "nhwc"}
    grid = gpu_steps.throughput_grid("cuda", "NVIDIA H200")
    assert len(set(grid)) == len(grid) == 30
    # 7 ways of 2 models; of the other 28 models 12 are left out.
    assert set(model_names()) - {each.model for each in grid} == gpu_steps._LEFT_OUT
    assert {"lenet5", "alexnet_owt", "zfnet", "vgg19", "googlenet", "resnet18", "resnet152"} <= {
        each.model for each in grid
    }
    for model in ("vgg16", "alexnet"):
        own = [each for each in grid if each.model == model]
        assert {each.batch for each in own} == {1, 32, 256}
        assert {"fp32", "tf32", "bf16"} <= {each.dtype for each in own}
        assert any(each.compiled for each in own)
        assert any(each.graphs for each in own)
        assert any(each.mode == "train" for each in own)
    # The grid of one model and the rest once: no configuration twice, and what tells most first.
    assert gpu_steps.steps("cuda", "NVIDIA H200")[0].table == "checks"


def test_the_checks_of_a_gpu_take_two_minutes_and_most_have_a_dry_run():
    of_gpu, of_cpu = (list(gpu_steps.check_steps(kind)) for kind in ("cuda", "cpu"))
    assert sum(step.expected_s for step in of_gpu) <= 120
    assert {step.name for step in of_cpu} < {step.name for step in of_gpu}
    assert len(of_cpu) == 10


def test_long_steps_of_a_gpu_can_converge():
    from archbench.measure.bench.timing import GPU

    # 15.5 GMACs an image forward and 3 times that in training, at 67 TFLOP/s in fp32 and 800 in bf16 (H200).
    flop_per_s = {"fp32": 67e12, "tf32": 400e12, "bf16": 800e12, "amp": 800e12}
    for each in gpu_steps.throughput_grid("cuda", "NVIDIA H200"):
        macs = 15.5e9 * (3 if each.mode == "train" else 1)
        if each.model == "vgg16":
            assert GPU.least_blocks * each.batch * 2 * macs / flop_per_s[each.dtype] < gpu_steps._THROUGHPUT_S["cuda"]


def test_the_summary_sets_predicted_beside_measured(tmp_path):
    tables = Tables(tmp_path, "h200", "2.11")
    tables.write_environment(
        {"gpu_name": "NVIDIA H200", "driver": "580.1", "cuda": "13.0", "torch": "2.11", "commit": "c0ffee"}
    )

    def add(table, name, **figures):
        tables.add(Step(table, name, 1, dict), {"status": "ok", "reason": "", **figures})

    add("checks", "ceilings", figures=json.dumps({"bf16_flop_per_s": 800e12}))
    add("checks", "broken", status="failed", reason="ValueError: no")
    add("memory", "a, train, batch 1, fp32, nhwc", predicted_bytes=1050, measured_bytes=1000)
    add("memory", "a, train, batch 1, fp32, nchw", predicted_bytes=1050, measured_bytes=1000)
    name = "vgg16, eval, batch 256, bf16, nhwc, compiled"
    add(
        "throughput",
        name,
        images_per_s=150.0,
        predicted=100.0,
        predicted_low=80.0,
        predicted_high=125.0,
        flop_per_s=600e12,
    )
    add("throughput", "b", images_per_s=120.0, predicted=100.0, predicted_low=80.0, predicted_high=125.0)
    add("throughput", "c", status="oom", reason="out of memory")
    lines = summary(tables).splitlines()
    assert lines[:3] == ["# NVIDIA H200", "", "driver 580.1, cuda 13.0, torch 2.11, commit c0ffee"]
    assert "| broken | failed: ValueError: no |  |" in lines
    # 1050 / 1000 is 5% off: more than 3%, less than 15%.
    assert [line.split(" | ")[3:] for line in lines if line.startswith("| a, train")] == [
        ["1.050", "**no** (within 3.0%) |"],
        ["1.050", "yes (within 15.0%) |"],
    ]
    assert f"| {name} | 100 (80.0 to 125) | 150 | 0.67 | **no** |  |" in lines
    assert "| b | 100 (80.0 to 125) | 120 | 0.83 | yes |  |" in lines
    assert "| c |  | oom: out of memory |  |  |  |" in lines
    assert "The 90% interval held in 1 of 2 predictions." in lines
    # 600 of 800 TFLOP/s.
    assert f"{name}: 75.0% of the measured matrix ceiling in bf16." in lines


def test_the_table_of_an_interrupted_call_is_whole(tmp_path):
    tables = Tables(tmp_path, "this", "2.11")
    for number in range(3):
        tables.add(Step("checks", f"{number}", 1, dict), {"status": "ok", "reason": "", "figures": "{}"})
        assert len(Tables(tmp_path, "this", "2.11").rows["checks"]) == number + 1
